import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.synthesis.sensing import detector, normal_noise

SKELETON = skeleton.ITOP15
CLIPS, FRAMES = 500, 8  # many samples
PERFECT = dataclasses.replace(
    detector.IDEAL,
    noise=0.0,
    outlier_share=0.0,
    swap_share=0.0,
    miss_share=0.0,
    correlation=0.0,
)


def true_uv():
    """Keypoints (clips, frames, joints, 2) that stand still."""
    uv = 40.0 + 5.0 * np.arange(30.0, dtype=np.float32).reshape(15, 2)
    return np.broadcast_to(uv, (CLIPS, FRAMES, 15, 2))


def detect(*, visible=True, width=320, seed=0, uv=None, **changes):
    uv = true_uv() if uv is None else uv
    visible = np.broadcast_to(visible, uv.shape[:-1])
    params = dataclasses.replace(PERFECT, **changes)
    keys = jax.random.split(jax.random.key(seed), CLIPS)
    # Not compiled as a whole: each test has other parameters, but the same operations.
    many = jax.vmap(functools.partial(run, width=width, params=params))
    uv, confidence = many(keys, jnp.asarray(uv), jnp.asarray(visible))
    return np.asarray(uv), np.asarray(confidence)


def run(key, uv, visible, *, width=320, params=PERFECT):
    xyz = jnp.concatenate([uv, jnp.ones_like(uv[..., :1])], axis=-1)
    return detector.simulate(
        key,
        xyz,
        visible,
        intrinsics=jnp.array([1.0, 1.0, 0.0, 0.0]),  # u = x / z
        stature=1.7,
        size=(3 * width // 4, width),
        fps=15.0,
        skeleton=SKELETON,
        params=params,
    )


def test_a_detector_without_errors_returns_the_ground_truth():
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


def test_hidden_joints_are_reported_with_the_given_share():
    uv, confidence = detect(visible=False, hidden_report=0.2)
    np.testing.assert_allclose(np.mean(confidence > 0.0), 0.2, atol=0.01)
    np.testing.assert_array_equal(uv[confidence == 0.0], 0.0)


def test_missing_keypoints_have_zero_position_and_confidence():
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
    np.testing.assert_allclose(uv, true_uv()[:, :, np.array(SKELETON.mirror)])
    uv, _ = detect(swap_share=0.1)
    swapped = np.any(uv != true_uv(), axis=-1)
    arm, leg = (SKELETON.index(f"left_{name}") for name in ("elbow", "knee"))
    np.testing.assert_allclose(swapped[..., [arm, leg]].mean(), 0.1, atol=0.015)
    hand = SKELETON.index("right_hand")
    np.testing.assert_array_equal(swapped[..., hand], swapped[..., arm])
    assert np.any(swapped[..., leg] != swapped[..., arm])
    assert not np.any(swapped[..., SKELETON.index("torso")])


def test_a_swapped_joint_has_the_visibility_of_its_mirror_joint():
    visible = np.array([not name.startswith("left") for name in SKELETON.joints])
    _, confidence = detect(visible=visible, swap_share=1.0, hidden_report=0.0)
    mirrored = visible[np.array(SKELETON.mirror)]
    np.testing.assert_array_equal(
        confidence > 0.0, np.broadcast_to(mirrored, confidence.shape)
    )


def test_confident_keypoints_are_precise():
    visible = np.random.default_rng(1).random((CLIPS, FRAMES, 15)) < 0.8
    params = dataclasses.asdict(detector.IDEAL)
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
    values = normal_noise.correlated(jax.random.key(0), (6, 20_000), correlation)
    np.testing.assert_allclose(jnp.std(values, axis=1), 1.0, atol=0.03)
    lagged = jnp.mean(values[1:] * values[:-1], axis=1)
    np.testing.assert_allclose(lagged, correlation, atol=0.03)


def test_errors_persist_within_a_clip():
    uv, _ = detect(noise=3.0, correlation=0.95)
    error = uv - true_uv()
    assert np.abs(np.diff(error, axis=1)).mean() < 0.7 * np.abs(error).mean()


def test_nan_of_invisible_joints_does_not_reach_the_output():
    uv, visible = true_uv().copy(), np.ones((CLIPS, FRAMES, 15), bool)
    uv[:, :, 3], visible[:, :, 3] = np.nan, False
    got, confidence = detect(uv=uv, visible=visible, hidden_report=0.0)
    assert np.all(np.isfinite(got))
    np.testing.assert_array_equal(confidence[:, :, 3], 0.0)


def test_joints_outside_the_image_have_no_keypoint_in_it():
    uv = true_uv().copy()
    uv[:, :, 2] = (-5.0, 100.0)
    visible = np.ones((CLIPS, FRAMES, 15), bool)
    visible[:, :, 2] = False
    _, confidence = detect(
        uv=uv, visible=visible, hidden_report=1.0, outside_report=0.0
    )
    np.testing.assert_array_equal(confidence[:, :, 2], 0.0)
    assert np.all(confidence[:, :, 3] > 0.0)


def test_with_outside_report_0_no_keypoint_lies_outside_the_image():
    uv = true_uv().copy()
    uv[:, :, 3] = (319.0, 1.0)  # noise moves most keypoints of this joint outside
    got, confidence = detect(uv=uv, noise=20.0, outside_report=0.0)
    assert np.all((got >= 0.0) & (got < [320.0, 240.0]))
    assert 0.1 < np.mean(confidence[:, :, 3] > 0.0) < 0.5


@pytest.mark.parametrize("params", [detector.DetectorParams(), detector.IDEAL])
def test_joints_without_a_position_have_no_keypoint(params):
    uv = true_uv().copy()
    uv[:, :, SKELETON.index("left_hip")] = np.nan
    visible = np.isfinite(uv).all(axis=-1)
    got, confidence = detect(uv=uv, visible=visible, **dataclasses.asdict(params))
    assert np.all(np.isfinite(got))
    assert np.all(np.isfinite(confidence))
    assert np.all(confidence[~visible & ~visible[..., SKELETON.mirror]] == 0.0)
    assert np.mean(confidence[visible] > 0.0) > 0.8


def test_same_key_same_detections():
    np.testing.assert_array_equal(detect(noise=3.0)[0], detect(noise=3.0)[0])
    assert np.any(detect(noise=3.0)[0] != detect(noise=3.0, seed=1)[0])


def test_compiled_and_single_clips_equal_batched_ones():
    params = detector.IDEAL
    many_uv, many = detect(width=160, **dataclasses.asdict(params))
    key = jax.random.split(jax.random.key(0), CLIPS)[1]
    visible = jnp.ones((FRAMES, 15), bool)
    single = jax.jit(functools.partial(run, width=160, params=params))
    uv, confidence = single(key, jnp.asarray(true_uv()[1]), visible)
    np.testing.assert_allclose(many_uv[1], uv, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(many[1], confidence, rtol=1e-4)


@pytest.mark.parametrize("name", skeleton.NAMES)
def test_joints_of_every_skeleton_have_a_noise_scale(name):
    target = skeleton.by_name(name)
    scale = detector.joint_noise(target, contrast=0.5)
    assert scale.shape == (target.num_joints,)
    assert np.all((scale > 0.3) & (scale < 2.0))
