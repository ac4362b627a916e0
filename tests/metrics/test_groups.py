import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import metrics
from unipose_jax.skeleton import definitions

ITOP = definitions.ITOP15
# Percent within 10 cm by joint, random forest, side view ("front" in later papers):
# table on ITOP in A. Haque et al., Towards Viewpoint Invariant 3D Human Pose
# Estimation, ECCV 2016. Left and right share a figure.
FOREST = {
    "head": 63.8,
    "neck": 86.4,
    "shoulder": 83.3,
    "elbow": 73.2,
    "hand": 51.3,
    "torso": 65.0,
    "hip": 50.8,
    "knee": 65.7,
    "foot": 61.3,
}


def names(indices):
    return {ITOP.joints[index] for index in indices}


def test_halves_of_itop_are_those_of_its_papers():
    figures = np.array([FOREST[name.split("_")[-1]] for name in ITOP.joints])
    upper, lower = metrics.upper_body(ITOP), metrics.lower_body(ITOP)
    np.testing.assert_allclose(figures[list(upper)].mean(), 70.7, atol=0.05)
    np.testing.assert_allclose(figures[list(lower)].mean(), 59.3, atol=0.05)


@pytest.mark.parametrize("name", definitions.NAMES)
def test_halves_are_disjoint_and_symmetric(name):
    skeleton = definitions.by_name(name)
    upper, lower = metrics.upper_body(skeleton), metrics.lower_body(skeleton)
    assert not set(upper) & set(lower)
    for half in (upper, lower):
        assert {skeleton.mirror[joint] for joint in half} == set(half)


def test_root_is_the_pelvis_or_what_stands_in_for_it():
    assert names(metrics.root(ITOP)) == {"torso"}
    assert metrics.root(definitions.H36M17) == (0,)
    coco = definitions.COCO17
    assert {coco.joints[j] for j in metrics.root(coco)} == {"left_hip", "right_hip"}


def test_a_skeleton_without_root_is_named():
    face = definitions.Skeleton("face", ("nose", "head_top"), (-1, 0))
    with pytest.raises(ValueError, match=r"'face' has no root.*'nose'"):
        metrics.root(face)


def test_distance_bins_vmap_equals_batched_equals_jit():
    def within(target, valid):
        return metrics.within_distance(target, valid=valid, near=2.0, far=2.5)

    keys = jax.random.split(jax.random.key(0))
    target = 2.25 + 0.5 * jax.random.normal(keys[0], (6, 5, 3))
    valid = jax.random.bernoulli(keys[1], 0.7, (6, 5))
    batched = jax.jit(within)(target, valid)
    np.testing.assert_array_equal(jax.jit(jax.vmap(within))(target, valid), batched)
    assert 0 < jnp.sum(batched) < jnp.sum(valid)


def test_distance_bins_split_people_by_their_mean_depth():
    depth = jnp.array([[1.0, 3.0], [3.0, 3.5], [9.0, 2.0], [5.0, 5.0]])
    target = jnp.zeros((4, 2, 3)).at[..., 2].set(depth)
    valid = jnp.array([[True, True], [True, True], [False, True], [False, False]])
    target = target.at[2, 0].set(jnp.nan)
    near = metrics.within_distance(target, valid=valid, near=0.0, far=2.5)
    middle = metrics.within_distance(target, valid=valid, near=2.0, far=2.5)
    far = metrics.within_distance(target, valid=valid, near=2.5, far=9.0)
    np.testing.assert_array_equal(
        near, [[True, True], [False, False], [False, True], [False, False]]
    )
    np.testing.assert_array_equal(middle, near)  # bounds: 2.0 belongs, 2.5 does not
    np.testing.assert_array_equal(near | far, valid)


def standing(*, yaw, place=(0.3, 0.2, 2.5), pitch=0.0):
    """ITOP15 shoulders and hips of who turns left by `yaw` from facing the camera.

    The camera looks down by `pitch`, radians.
    """
    xyz = np.zeros((15, 3))
    for side, x in (("left", 0.2), ("right", -0.2)):
        xyz[ITOP.index(f"{side}_shoulder")] = [x, -0.5, 0.0]
        xyz[ITOP.index(f"{side}_hip")] = [x, 0.0, 0.0]
    away = np.arctan2(-place[0], -place[2]) - np.pi  # of the camera, from -z
    cos, sin = np.cos(yaw + away), np.sin(yaw + away)
    xyz = xyz @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]]) + place
    cos, sin = np.cos(pitch), np.sin(pitch)
    return xyz @ np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])


def turned(target, least, most, valid=None):
    valid = np.ones(15, bool) if valid is None else valid
    found = metrics.within_facing_angle(
        jnp.asarray(target, jnp.float32),
        valid=jnp.asarray(valid),
        skeleton=ITOP,
        least=np.radians(least),
        most=np.radians(most),
    )
    np.testing.assert_array_equal(found, valid & bool(found.any()))
    return bool(found.any())


@pytest.mark.parametrize("pitch", [0.0, 0.7])
@pytest.mark.parametrize("yaw", [0, 30, -30, 120, -120, 175])
def test_people_turn_by_their_yaw_whatever_the_camera_does(yaw, pitch):
    target = standing(yaw=np.radians(yaw), pitch=pitch)
    assert turned(target, abs(yaw) - 1, abs(yaw) + 1)
    assert not turned(target, abs(yaw) + 1, 181)
    assert not turned(target, 0, abs(yaw) - 1)


def test_people_without_a_hip_turn_by_no_angle():
    target, valid = standing(yaw=0.0), np.ones(15, bool)
    valid[ITOP.index("left_hip")] = False
    target[ITOP.index("left_hip")] = np.nan
    assert not turned(target, 0, 181, valid)
    valid[:], target[ITOP.index("head")] = True, np.nan
    target[ITOP.index("left_hip")] = standing(yaw=0.0)[ITOP.index("left_hip")]
    valid[ITOP.index("head")] = False
    assert turned(target, 0, 1, valid)


def test_turns_vmap_equals_batched_equals_jit():
    def within(target, valid):
        return metrics.within_facing_angle(
            target, valid=valid, skeleton=ITOP, least=0.5, most=2.0
        )

    keys = jax.random.split(jax.random.key(1))
    target = jax.random.normal(keys[0], (20, 15, 3)).at[..., 2].add(3.0)
    valid = jax.random.bernoulli(keys[1], 0.95, (20, 15))
    batched = jax.jit(within)(target, valid)
    np.testing.assert_array_equal(jax.jit(jax.vmap(within))(target, valid), batched)
    assert 0 < jnp.sum(batched) < jnp.sum(valid)
