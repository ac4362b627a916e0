import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import refine, skeleton
from unipose_jax.geometry import camera
from unipose_jax.refine import side_sequences, tracks

BODY = skeleton.ITOP15
MIRROR = list(BODY.mirror)
INTRINSICS = jnp.array([285.7, 285.7, 160.0, 120.0])
ARMS = [i for i, name in enumerate(BODY.joints) if name.endswith(("elbow", "hand"))]
SHOULDERS = [i for i, name in enumerate(BODY.joints) if name.endswith("shoulder")]


@jax.jit
def track_of(xyz):
    frames = len(xyz)
    return tracks.analyze(
        xyz.astype(jnp.float32),
        valid=jnp.isfinite(xyz).all(axis=-1),
        time=jnp.arange(frames) / 15.0,
        person=jnp.zeros(frames, jnp.int32),
        skeleton=BODY,
    )


def exchanged(values, first, stop, joints):
    """Values with the sides of some joints exchanged in frames `first` to `stop`."""
    wrong = np.array(values)
    mirrored = wrong[first:stop, MIRROR]
    wrong[first:stop, joints] = mirrored[:, joints]
    return wrong


def mask(first, stop, joints):
    expected = np.zeros((60, 15), bool)
    expected[first:stop, joints] = True
    return expected


@jax.jit
def find(xyz, keypoints=None):
    return side_sequences.find(track_of(xyz), keypoints, skeleton=BODY)


def keypoints_of(xyz):
    uv = camera.uv_from_xyz(jnp.asarray(xyz), INTRINSICS)
    return refine.Keypoints(uv, jnp.ones(uv.shape[:2]), INTRINSICS, jnp.eye(4))


@pytest.fixture(scope="module")
def noisy(person):
    rng = np.random.default_rng(3)
    return person + 0.02 * rng.normal(size=person.shape).astype(np.float32)


def test_right_sides_stay(noisy):
    assert not find(noisy).swapped.any()


@pytest.mark.parametrize("joints", [ARMS, ARMS + SHOULDERS], ids=["lower", "whole"])
def test_a_burst_of_exchanged_arms_is_found(noisy, joints):
    wrong = exchanged(noisy, 20, 31, joints)
    found = find(wrong)
    np.testing.assert_array_equal(found.swapped, mask(20, 31, joints))
    undone = found.undo(track_of(wrong), skeleton=BODY)
    np.testing.assert_allclose(undone.filled, noisy)


def test_outliers_are_no_exchange(noisy):
    wrong = noisy.copy()
    wrong[20:24, ARMS] += np.float32([0.3, 0.2, 0.0])
    assert not find(wrong).swapped.any()


def test_keypoints_show_what_is_exchanged_in_most_frames(noisy, person):
    wrong = exchanged(noisy, 15, 60, ARMS)
    assert not np.array_equal(find(wrong).swapped, mask(15, 60, ARMS))
    found = find(wrong, keypoints_of(person))
    np.testing.assert_array_equal(found.swapped, mask(15, 60, ARMS))
    assert not found.uv_swapped.any()


def test_exchanged_keypoints_are_told_from_exchanged_joints(noisy, person):
    seen = exchanged(person, 20, 28, ARMS)
    found = find(noisy, keypoints_of(seen))
    assert not found.swapped.any()
    np.testing.assert_array_equal(found.uv_swapped, mask(20, 28, ARMS))
    undone = found.undo_keypoints(keypoints_of(seen), skeleton=BODY)
    np.testing.assert_allclose(undone.uv, keypoints_of(person).uv)


def test_missing_joints_are_ignored(noisy):
    wrong = exchanged(noisy, 20, 31, ARMS)
    wrong[:, BODY.index("left_foot")] = np.nan
    wrong[5, ARMS] = np.nan
    np.testing.assert_array_equal(find(wrong).swapped, mask(20, 31, ARMS))


def test_viterbi_equals_the_best_of_all_paths():
    pair = np.random.default_rng(4).normal(size=(5, 2, 2)).astype(np.float32)
    paths = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1).T
    costs = [sum(pair[t, s[t], s[t + 1]] for t in range(5)) for s in paths]
    best = paths[int(np.argmin(costs))][1:]
    np.testing.assert_array_equal(side_sequences.viterbi(jnp.asarray(pair)), best)
