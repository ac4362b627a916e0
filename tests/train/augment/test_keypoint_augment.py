import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.keypoint_clips import INTRINSICS, SKELETON, config, make_clip
from unipose_jax.geometry import camera
from unipose_jax.train import settings
from unipose_jax.train.augment import keypoint_augment

augment_clip = jax.jit(
    keypoint_augment.augment_clip, static_argnames=("config", "skeleton")
)


def again(clip, seed=0, **changes):
    return augment_clip(
        jax.random.key(seed), clip, config=config(**changes), skeleton=SKELETON
    )


ALL = {"pan": 0.3, "tilt": 0.2, "roll": 0.1, "mirror": True}
MOVES = {"person_rotation": 1.0, "distance_scale": 0.3, "person_scale": 0.2}
MOVES |= {"bone_scale": 0.1, "camera_height": 0.2}


@pytest.mark.parametrize("seed", range(4))
def test_keypoints_stay_the_projections_of_their_joints(seed):
    found = again(make_clip(), seed, **ALL, **MOVES)
    projected = camera.uv_from_xyz(found["xyz"], INTRINSICS[None])
    np.testing.assert_allclose(found["uv"], projected, atol=0.01)
    assert np.abs(found["uv"] - make_clip()["uv"]).max() > 5.0


def test_nothing_asked_changes_nothing():
    found = again(make_clip())
    np.testing.assert_allclose(found["uv"], make_clip()["uv"], atol=1e-3)
    np.testing.assert_allclose(found["xyz"], make_clip()["xyz"], atol=1e-6)


def test_without_labels_the_camera_turns_and_the_person_does_not():
    labelled = again(make_clip(), **ALL)
    without = again(make_clip(labelled=False), **ALL, **MOVES)
    np.testing.assert_allclose(without["uv"], labelled["uv"], atol=0.01)
    assert not without["xyz_valid"].any()


def test_turning_keeps_the_person_and_the_vertical():
    clip, found = make_clip(), again(make_clip(), person_rotation=1.0)
    assert np.abs(found["xyz"] - clip["xyz"]).max() > 0.05
    np.testing.assert_allclose(found["xyz"][..., 1], clip["xyz"][..., 1], atol=1e-5)
    spans = [x["xyz"][0] - x["xyz"][0, :1] for x in (clip, found)]
    lengths = [np.linalg.norm(span, axis=-1) for span in spans]
    np.testing.assert_allclose(*lengths, atol=1e-4)


def test_mirrors_swap_the_sides():
    clip = make_clip()
    mirrored = [again(clip, seed, mirror=True) for seed in range(8)]
    flip = jnp.array([-1.0, 1.0, 1.0])[None, None]
    flipped = clip["xyz"][:, jnp.array(SKELETON.mirror)] * flip
    same = [bool(jnp.allclose(m["xyz"], flipped, atol=1e-4)) for m in mirrored]
    assert any(same)
    assert not all(same)


def test_noise_is_as_large_as_asked():
    noisy = keypoint_augment.add_noise(jax.random.key(0), jnp.zeros((4000, 2)), 3.0)
    np.testing.assert_allclose(noisy.std(), 3.0, rtol=0.05)


def with_errors(uv, confidence, seed=0, size=100.0, **changes):
    return jax.jit(keypoint_augment.add_errors, static_argnames=("config", "skeleton"))(
        jax.random.key(seed),
        uv,
        confidence,
        size=jnp.full(len(uv), size),
        config=settings.KeypointErrors(**changes),
        skeleton=SKELETON,
    )


def detected(frames=400):
    uv = 100.0 * jax.random.normal(jax.random.key(1), (frames, 15, 2))
    return uv, jax.random.uniform(jax.random.key(2), (frames, 15), minval=0.1)


def test_no_errors_change_nothing():
    uv, confidence = detected(4)
    found = with_errors(uv, confidence)
    np.testing.assert_array_equal(found[0], uv)
    np.testing.assert_array_equal(found[1], confidence)


def test_people_and_joints_are_left_out_as_often_as_asked():
    uv, confidence = detected()
    _, left = with_errors(uv, confidence, person_dropout=0.3, joint_dropout=0.2)
    nobody = (left == 0.0).all(axis=1)
    assert 0.2 < nobody.mean() < 0.4
    assert 0.17 < (left[~nobody] == 0.0).mean() < 0.23
    kept = np.asarray(left) > 0
    np.testing.assert_array_equal(left[kept], confidence[kept])


def test_noise_and_outliers_have_their_size():
    uv, confidence = detected()
    moved, _ = with_errors(uv, confidence, noise=0.1, noise_prob=1.0)
    deviation = np.std(moved - uv, axis=(1, 2))
    assert 9.0 < deviation.max() < 15.0  # at most a tenth of 100 px, from 30 numbers
    assert 4.0 < deviation.mean() < 6.0  # half of that, as it is uniform
    moved, _ = with_errors(uv, confidence, outlier_prob=0.1, outlier_noise=2.0)
    change = np.asarray(moved - uv)
    far = (change != 0.0).any(axis=-1)
    assert 0.08 < far.mean() < 0.12
    assert 190.0 < change[far].std() < 210.0


def test_arms_and_legs_are_exchanged_with_their_confidences():
    uv, confidence = detected()
    found, sure = with_errors(uv, confidence, swap_prob=0.25)
    mirror = np.array(SKELETON.mirror)
    arm, leg = (SKELETON.joints.index(f"left_{name}") for name in ("elbow", "knee"))
    changed = np.asarray(found != uv).any(axis=-1)
    for joint, other in ((arm, leg), (leg, arm)):
        turned = changed[:, joint]
        assert 0.18 < turned.mean() < 0.32
        np.testing.assert_array_equal(found[turned, joint], uv[turned, mirror[joint]])
        np.testing.assert_array_equal(
            sure[turned, joint], confidence[turned, mirror[joint]]
        )
        assert (changed[:, joint] != changed[:, other]).any()
    middle = [i for i, j in enumerate(mirror) if i == j]
    np.testing.assert_array_equal(found[:, middle], uv[:, middle])
