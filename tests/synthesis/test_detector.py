import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.synthesis import detector

KEY = jax.random.key(0)
SKELETON = skeleton.ITOP15
FRAMES = 4000  # of one long clip: many samples
PERFECT = detector.DetectorParams(
    noise=0.0, outlier_share=0.0, swap_share=0.0, miss_share=0.0, correlation=0.0
)


def true_uv(frames=FRAMES):
    uv = 40.0 + 5.0 * jnp.arange(30.0).reshape(15, 2)
    return jnp.broadcast_to(uv, (frames, 15, 2))


def detect(*, visible=True, width=320, key=KEY, uv=None, **changes):
    uv = true_uv() if uv is None else uv
    visible = jnp.broadcast_to(jnp.asarray(visible), uv.shape[:2])
    params = dataclasses.replace(PERFECT, **changes)
    uv, confidence = detector.detect(
        key, uv, visible, width=width, skeleton=SKELETON, params=params
    )
    return np.asarray(uv), np.asarray(confidence)


def test_perfect_detector_reports_the_truth():
    uv, confidence = detect()
    np.testing.assert_allclose(uv, true_uv(), rtol=1e-6)
    assert np.all(confidence > 0.0)


@pytest.mark.parametrize("width", [160, 320])
def test_noise_of_visible_joints_has_the_given_deviation_at_320(width):
    uv, _ = detect(noise=3.0, width=width)
    deviation = np.sqrt(np.mean((uv - true_uv()) ** 2))
    # 120,000 samples with a heavy-tailed scale.
    np.testing.assert_allclose(deviation, 3.0 * width / 320, rtol=0.03)


def test_joint_noise_follows_oks_constants():
    scale = detector.joint_noise(SKELETON, contrast=1.0)
    np.testing.assert_allclose(np.sqrt(np.mean(scale**2)), 1.0, rtol=1e-5)
    hip, head = SKELETON.index("left_hip"), SKELETON.index("head")
    np.testing.assert_allclose(scale[hip] / scale[head], 0.107 / 0.035, rtol=1e-5)
    np.testing.assert_allclose(detector.joint_noise(SKELETON, contrast=0.0), 1.0)


def test_hidden_joints_are_noisier():
    options = {"noise": 3.0, "hidden_report": 1.0, "hidden_noise": 2.5}
    uv, _ = detect(visible=False, **options)
    deviation = np.sqrt(np.mean((uv - true_uv()) ** 2))
    np.testing.assert_allclose(deviation, 7.5, rtol=0.03)


def test_hidden_joints_are_reported_as_often_as_asked():
    uv, confidence = detect(visible=False, hidden_report=0.2)
    np.testing.assert_allclose(np.mean(confidence > 0.0), 0.2, atol=0.01)
    np.testing.assert_array_equal(uv[confidence == 0.0], 0.0)


def test_nothing_is_told_of_joints_without_keypoint():
    uv, confidence = detect(visible=False, hidden_report=0.0)
    np.testing.assert_array_equal(confidence, 0.0)
    np.testing.assert_array_equal(uv, 0.0)


def test_missed_and_outlying_joints_have_their_shares():
    uv, confidence = detect(miss_share=0.1, outlier_share=0.05, outlier_noise=30.0)
    np.testing.assert_allclose(np.mean(confidence == 0.0), 0.1, atol=0.01)
    error = np.linalg.norm(uv - true_uv(), axis=-1)[confidence > 0.0]
    np.testing.assert_allclose(np.mean(error > 1e-3), 0.05, atol=0.01)
    # A Rayleigh variable: mean sigma sqrt(pi / 2).
    np.testing.assert_allclose(error[error > 1e-3].mean(), 37.6, rtol=0.05)


def test_swaps_exchange_whole_limb_pairs():
    uv, _ = detect(swap_share=1.0)
    np.testing.assert_allclose(uv, true_uv()[:, np.array(SKELETON.mirror)])
    uv, _ = detect(swap_share=0.1)
    swapped = np.any(uv != np.asarray(true_uv()), axis=-1)
    arm, leg = (SKELETON.index(f"left_{name}") for name in ("elbow", "knee"))
    np.testing.assert_allclose(swapped[:, [arm, leg]].mean(), 0.1, atol=0.015)
    hand = SKELETON.index("right_hand")
    np.testing.assert_array_equal(swapped[:, hand], swapped[:, arm])
    assert np.any(swapped[:, leg] != swapped[:, arm])
    assert not np.any(swapped[:, SKELETON.index("torso")])


def test_a_swapped_joint_is_as_visible_as_the_place_it_is_taken_for():
    visible = np.array([not name.startswith("left") for name in SKELETON.joints])
    _, confidence = detect(visible=visible[None], swap_share=1.0, hidden_report=0.0)
    mirrored = visible[np.array(SKELETON.mirror)]
    np.testing.assert_array_equal(
        confidence > 0.0, np.broadcast_to(mirrored, confidence.shape)
    )


def test_confident_keypoints_are_exact_ones():
    visible = jax.random.bernoulli(jax.random.key(1), 0.8, (FRAMES, 15))
    params = dataclasses.asdict(detector.DetectorParams())
    uv, confidence = detect(visible=visible, **params)
    found = confidence > 0.0
    error = np.linalg.norm(uv - true_uv(), axis=-1)[found]
    edges = np.quantile(confidence[found], np.linspace(0.0, 1.0, 7))
    group = np.digitize(confidence[found], edges[1:-1])
    medians = [np.median(error[group == g]) for g in range(6)]
    assert medians == sorted(medians, reverse=True)
    assert medians[0] > 3.0 * medians[-1]
    assert np.all((confidence >= 0.0) & (confidence <= 1.0))


def test_confidence_is_lower_where_hidden():
    _, seen = detect(noise=3.0)
    _, hidden = detect(noise=3.0, visible=False, hidden_report=1.0)
    assert hidden.mean() < 0.6 * seen.mean()


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.95])
def test_normals_are_standard_and_correlated_in_time(correlation):
    values = detector.correlated_normal(KEY, (6, 20_000), correlation)
    np.testing.assert_allclose(jnp.std(values, axis=1), 1.0, atol=0.03)
    lagged = jnp.mean(values[1:] * values[:-1], axis=1)
    np.testing.assert_allclose(lagged, correlation, atol=0.03)


def test_errors_persist_within_a_clip():
    uv, _ = detect(uv=true_uv(8), noise=3.0, correlation=0.95)
    error = uv - np.asarray(true_uv(8))
    steps = np.abs(np.diff(error, axis=0)).mean()
    assert steps < 0.7 * np.abs(error).mean()


def test_nan_of_invisible_joints_reaches_nothing():
    uv = true_uv(4).at[:, 3].set(jnp.nan)
    visible = jnp.ones((4, 15), bool).at[:, 3].set(False)
    got, confidence = detect(uv=uv, visible=visible, noise=3.0, hidden_report=0.0)
    assert np.all(np.isfinite(got))
    np.testing.assert_array_equal(confidence[:, 3], 0.0)


def test_same_key_same_detections():
    options = {"uv": true_uv(8), "noise": 3.0}
    np.testing.assert_array_equal(detect(**options)[0], detect(**options)[0])
    assert np.any(detect(**options)[0] != detect(key=jax.random.key(1), **options)[0])


def test_jit_and_vmap_agree():
    keys = jax.random.split(KEY, 3)
    visible = jnp.ones((8, 15), bool)

    def run(key):
        return detector.detect(
            key,
            true_uv(8),
            visible,
            width=160,
            skeleton=SKELETON,
            params=detector.DetectorParams(),
        )

    uv, confidence = jax.jit(jax.vmap(run))(keys)
    for i in range(3):
        np.testing.assert_allclose(uv[i], run(keys[i])[0], rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(confidence[i], run(keys[i])[1], rtol=1e-4)


@pytest.mark.parametrize("name", skeleton.NAMES)
def test_every_skeleton_has_a_detector(name):
    target = skeleton.by_name(name)
    uv = jnp.ones((2, target.num_joints, 2))
    visible = jnp.ones((2, target.num_joints), bool)
    params = detector.DetectorParams()
    uv, _ = detector.detect(KEY, uv, visible, width=160, skeleton=target, params=params)
    assert np.all(np.isfinite(uv))
