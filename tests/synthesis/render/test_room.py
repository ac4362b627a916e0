import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.synthesis.render import room

BODY = skeleton.BODY
CAMERA = jnp.array([0.0, -1.5, -3.0])
STATURE = jnp.float32(1.8)


def empty_room(**boxes):
    """Walls at x = +-2, z = -4 and 3, ceiling at 2.5 m, and at most one box."""
    none = {"center": jnp.zeros((1, 3)), "half": jnp.zeros((1, 3)), "yaw": jnp.zeros(1)}
    return room.Room(
        low=jnp.array([-2.0, -2.5, -4.0]),
        high=jnp.array([2.0, 0.0, 3.0]),
        **none | boxes,
    )


def cast(surroundings, dirs, origin=CAMERA):
    return room.cast(surroundings, origin, jnp.array(dirs))


def upright(height=0.95):
    """BODY joints (4 frames) within 40 cm of the origin, pelvis at a height."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform([-0.4, -1.7, -0.3], [0.4, 0.0, 0.3], (4, BODY.num_joints, 3))
    xyz[:, BODY.index("pelvis")] = [0.0, -height, 0.0]
    return jnp.asarray(xyz, jnp.float32)


def sample(seed, xyz=None, **changes):
    params = dataclasses.replace(room.RoomParams(), **changes)
    xyz = upright() if xyz is None else xyz
    key = jax.random.key(seed)
    return room.sample_room(key, xyz, CAMERA, stature=STATURE, params=params)


@pytest.mark.parametrize(
    ("direction", "distance", "index", "normal"),
    [
        ([0.0, 0.0, 1.0], 6.0, 3, [0.0, 0.0, -1.0]),  # back wall
        ([0.0, 0.0, -1.0], 1.0, 3, [0.0, 0.0, 1.0]),  # behind the camera
        ([0.0, 1.0, 1.0], 1.5, 1, [0.0, -1.0, 0.0]),  # floor
        ([0.0, -1.0, 1.0], 1.0, 2, [0.0, 1.0, 0.0]),  # ceiling
        ([-1.0, 0.0, 0.5], 2.0, 0, [1.0, 0.0, 0.0]),  # left wall
    ],
)
def test_wall_distances_match_an_example_computed_by_hand(
    direction, distance, index, normal
):
    depth, surface, got = cast(empty_room(), [direction])
    np.testing.assert_allclose(depth, [distance], rtol=1e-6)
    np.testing.assert_array_equal(surface, [index])
    np.testing.assert_allclose(got, [normal], atol=1e-6)


def test_box_hides_the_wall_behind_it():
    box = empty_room(center=jnp.array([[0.0, -1.0, 1.0]]), half=jnp.full((1, 3), 0.6))
    depth, surface, normal = cast(box, [[0.0, 0.0, 1.0], [0.5, 0.0, 1.0]])
    np.testing.assert_allclose(depth, [3.4, 4.0], rtol=1e-6)
    np.testing.assert_array_equal(surface, [4, 0])
    np.testing.assert_allclose(normal[0], [0.0, 0.0, -1.0], atol=1e-6)


def test_box_turns_about_the_vertical():
    # Turned by 45 degrees its edge, sqrt(2) 0.6 from the centre, faces the camera.
    box = empty_room(
        center=jnp.array([[0.0, -1.5, 1.0]]),
        half=jnp.full((1, 3), 0.6),
        yaw=jnp.array([jnp.pi / 4]),
    )
    depth, _, normal = cast(box, [[1e-4, 0.0, 1.0], [-1e-4, 0.0, 1.0]])
    np.testing.assert_allclose(depth, 4.0 - 0.6 * np.sqrt(2.0), rtol=1e-3)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(normal[0], [half, 0.0, -half], atol=1e-3)
    np.testing.assert_allclose(normal[1], [-half, 0.0, -half], atol=1e-3)


def test_absent_boxes_and_boxes_behind_are_not_hit():
    dirs = [[0.0, 0.0, 1.0], [0.01, 0.02, 1.0]]
    absent = empty_room(center=jnp.array([[0.0, -1.5, 1.0]]))
    np.testing.assert_array_equal(cast(absent, dirs)[1], [3, 3])
    behind = empty_room(
        center=jnp.array([[0.0, -1.5, -3.7]]), half=jnp.full((1, 3), 0.2)
    )
    np.testing.assert_array_equal(cast(behind, dirs)[1], [3, 3])


@pytest.mark.parametrize("seed", range(8))
def test_furniture_does_not_intersect_the_person(seed):
    xyz = upright()
    surroundings = sample(seed, xyz, occluder_share=1.0, furniture_share=1.0)
    points = xyz.reshape(-1, 3)
    assert jnp.all((points >= surroundings.low[None]) & (points[:, 1:2] <= 0.0))
    assert jnp.all(points[:, ::2] <= surroundings.high[None, ::2])
    offset = points[None] - surroundings.center[:, None]
    cos, sin = jnp.cos(surroundings.yaw)[:, None], jnp.sin(surroundings.yaw)[:, None]
    along = cos * offset[..., 0] - sin * offset[..., 2]
    across = sin * offset[..., 0] + cos * offset[..., 2]
    half = surroundings.half[:, None]
    inside = (jnp.abs(along) < half[..., 0]) & (jnp.abs(across) < half[..., 2])
    assert not jnp.any(inside)


def test_camera_is_in_the_room_and_not_in_an_occluder():
    for seed in range(8):
        surroundings = sample(seed, occluder_share=1.0)
        assert jnp.all((CAMERA > surroundings.low) & (CAMERA < surroundings.high))
        occluder = surroundings.center[-2]
        assert CAMERA[2] + 0.5 < occluder[2] < -0.4


def test_a_sitting_person_has_a_seat_below_the_pelvis():
    seat = sample(0, upright(height=0.5), seat_share=1.0)
    assert seat.half[-1, 0] > 0.1
    top = -(seat.center[-1, 1] - seat.half[-1, 1])
    np.testing.assert_allclose(top, 0.5 - 0.065 * 1.8, rtol=1e-5)
    np.testing.assert_array_equal(sample(0, seat_share=1.0).half[-1], 0.0)


def test_objects_with_share_zero_are_absent():
    bare = sample(3, furniture_share=0.0, occluder_share=0.0, seat_share=0.0)
    np.testing.assert_array_equal(bare.half, 0.0)
    assert room.num_surfaces(bare) == 4 + room.RoomParams().furniture + 2


def test_vmap_and_jit_agree():
    surroundings = [sample(seed) for seed in range(3)]
    many = jax.tree.map(lambda *leaves: jnp.stack(leaves), *surroundings)
    dirs = jax.random.normal(jax.random.key(0), (20, 3))
    cast_all = jax.jit(jax.vmap(room.cast, in_axes=(0, None, None)))
    depth, _, _ = cast_all(many, CAMERA, dirs)
    for i in range(3):
        single = room.cast(surroundings[i], CAMERA, dirs)[0]
        np.testing.assert_allclose(depth[i], single, rtol=1e-4)
    assert jnp.all(jnp.isfinite(depth))
