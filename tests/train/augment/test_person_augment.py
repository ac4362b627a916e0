import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import keypoint_clips as clips
from unipose_jax.skeleton import kinematics
from unipose_jax.train.augment import person_augment

SKELETON = clips.SKELETON
TILT = 0.2  # radians
UP = jnp.array([0.0, -np.cos(TILT), -np.sin(TILT)], jnp.float32)
FLOOR = jnp.append(UP, 1.5)  # the camera is 1.5 m above it


CHANGE = jax.jit(person_augment.change_person, static_argnames=("config", "skeleton"))


def changed(seed=0, floor=FLOOR, clip=None, **changes):
    clip = dict(clips.make_clip() if clip is None else clip)
    clip["floor"] = floor
    config = clips.config(**changes)
    return CHANGE(jax.random.key(seed), clip, config=config, skeleton=SKELETON)


def heights(clip):
    return np.asarray(clip["xyz"] @ UP + FLOOR[3])


def lengths(clip):
    return np.asarray(kinematics.bone_lengths(clip["xyz"], skeleton=SKELETON))


@pytest.mark.parametrize("seed", range(3))
def test_people_of_other_sizes_stand_on_the_same_floor(seed):
    before, found = clips.make_clip(), changed(seed, person_scale=0.3, bone_scale=0.1)
    np.testing.assert_allclose(heights(found).min(1), heights(before).min(1), atol=1e-4)
    ratio = lengths(found) / lengths(before)
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1], (3, 14)), rtol=1e-3)
    assert np.ptp(ratio[0]) > 0.02
    child, _ = SKELETON.bone_ends
    other = [list(child).index(SKELETON.mirror[joint]) for joint in child]
    np.testing.assert_allclose(ratio[0], ratio[0][other], rtol=1e-3)
    vectors = [
        kinematics.bone_vectors(c["xyz"], skeleton=SKELETON) for c in (before, found)
    ]
    cosine = (vectors[0] * vectors[1]).sum(-1) / lengths(before) / lengths(found)
    np.testing.assert_allclose(cosine, 1.0, atol=1e-5)


def test_a_larger_person_walks_farther():
    clip = clips.make_clip()
    walk = jnp.arange(3)[:, None, None] * jnp.array([0.5, 0.0, 0.0])[None, None]
    clip["xyz"] = clip["xyz"][:1] + walk
    found = changed(clip=clip, person_scale=0.3)
    factor = lengths(found)[0, 0] / lengths(clip)[0, 0]
    assert abs(factor - 1.0) > 0.02
    np.testing.assert_allclose(
        found["xyz"][2, 0] - found["xyz"][0, 0], factor * walk[2, 0], atol=1e-4
    )


def test_people_move_and_turn_on_a_known_floor():
    before = clips.make_clip()
    found = changed(distance_scale=0.3, person_rotation=1.0)
    np.testing.assert_allclose(heights(found), heights(before), atol=1e-4)
    assert np.abs(found["xyz"] - before["xyz"]).max() > 0.2
    np.testing.assert_allclose(lengths(found), lengths(before), atol=1e-4)


def test_without_a_floor_people_move_along_the_line_of_sight():
    before, found = clips.make_clip(), changed(floor=jnp.full(4, jnp.nan), **MOVE)
    middle = [np.asarray(clip["xyz"]).mean((0, 1)) for clip in (before, found)]
    np.testing.assert_allclose(np.cross(*middle), 0.0, atol=1e-3)
    assert np.linalg.norm(middle[1] - middle[0]) > 0.1


MOVE = {"distance_scale": 0.3}


def test_a_higher_camera_sees_everybody_lower():
    moved = heights(changed(camera_height=0.3)) - heights(clips.make_clip())
    np.testing.assert_allclose(moved, moved[0, 0], atol=1e-4)
    assert 0.01 < abs(moved[0, 0]) < 0.3


def test_an_unknown_head_remains_unknown_and_others_change():
    clip = clips.make_clip()
    head = SKELETON.index("head")
    for name, value in (("confidence", 0.0), ("xyz_valid", False), ("xyz", jnp.nan)):
        clip[name] = clip[name].at[:, head].set(value)
    found = changed(clip=clip, person_scale=0.3, bone_scale=0.1)
    whole = changed(person_scale=0.3, bone_scale=0.1)
    rest = [j for j in range(15) if j != head]
    assert np.isfinite(found["xyz"][:, rest]).all()
    np.testing.assert_allclose(
        lengths(found)[:, :-1], lengths(whole)[:, :-1], atol=1e-4
    )
    np.testing.assert_array_equal(found["uv"][:, head], clip["uv"][:, head])


def test_without_the_joints_between_a_person_keeps_its_size():
    clip = clips.make_clip()
    knee = SKELETON.index("left_knee")
    for name, value in (("confidence", 0.0), ("xyz_valid", False), ("xyz", jnp.nan)):
        clip[name] = clip[name].at[1, knee].set(value)
    found = changed(clip=clip, person_scale=0.3)
    known = np.asarray(clip["xyz_valid"])
    np.testing.assert_allclose(found["xyz"][known], clip["xyz"][known], atol=1e-5)


def test_a_share_of_people_keeps_its_size():
    before = lengths(clips.make_clip())
    found = [
        lengths(changed(seed, person_scale=0.3, person_scale_prob=0.5))
        for seed in range(10)
    ]
    same = [np.allclose(one, before, atol=1e-5) for one in found]
    assert 2 <= sum(same) <= 8


def test_nobody_comes_too_near():
    clip = clips.make_clip()
    clip["xyz"] = clip["xyz"] - jnp.array([0.0, 0.0, 2.0])[None, None]
    for seed in range(8):
        found = changed(seed, clip=clip, distance_scale=4.0)
        same = np.allclose(found["xyz"], clip["xyz"])
        assert same or found["xyz"][..., 2].min() > 0.5
