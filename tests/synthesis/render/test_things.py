import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.skeleton import definitions
from unipose_jax.synthesis.motion import body_shape, procedural
from unipose_jax.synthesis.render import props, raycast, things

BODY = definitions.BODY
INTRINSICS = jnp.array([60.0, 60.0, 32.0, 24.0])
ALL = props.PropParams(
    held_share=1.0, front_share=1.0, worn_share=1.0, near_share=1.0, held_in_mask=0.5
)
# Order of the things: left hand, right hand, cello, its neck, head, trunk, near, box.
WORN, NEAR, BOX = (4, 5), 6, 7


@pytest.fixture(scope="module")
def person():
    shape = jax.jit(lambda key: body_shape.sample_shape(key, body_shape.ShapeParams()))(
        jax.random.key(0)
    )
    time = jnp.arange(3) / 15.0
    params = procedural.MotionParams(action_weights=(("walk", 1.0),))
    walk = jax.jit(lambda key: procedural.sample_motion(key, shape, time, params))
    return walk(jax.random.key(1))


def sample(person, params=ALL, *, seed=0):
    return _sampler(params)(jax.random.key(seed), person)


@functools.cache
def _sampler(params):
    def draw(key, person):
        stature = jnp.float32(1.7)
        return props.sample_props(key, person, stature=stature, params=params)

    return jax.jit(draw)


def box_and_ball(*, box_z=2.0, ball_z=3.0):
    """One frame: a cube with sides of 20 cm and a ball with a radius of 30 cm."""
    ball = raycast.Primitives(
        center=jnp.array([[[0.0, 0.0, ball_z]]]),
        basis=jnp.eye(3)[None, None],
        length=jnp.zeros((1, 1)),
        start_radius=jnp.full((1, 1), 0.3),
        end_radius=jnp.full((1, 1), 0.3),
    )
    return things.Things(
        cones=ball,
        box_center=jnp.array([[0.0, 0.0, box_z]]),
        box_axes=jnp.eye(3)[None],
        box_half=jnp.full(3, 0.1),
        in_mask=jnp.array([True, False]),
    )


def test_the_nearest_thing_is_hit():
    rays = jnp.array([[[0.0, 0.0, 1.0], [0.0, 0.08, 1.0], [0.0, 0.5, 1.0]]])
    hits = things.cast_rays(box_and_ball(), rays)[0]
    # The second ray passes above the cube: 0.08 * 1.9 > 0.1.
    ball = (3.0 - np.sqrt(9.0 - (1.0 + 0.08**2) * (9.0 - 0.09))) / (1.0 + 0.08**2)
    np.testing.assert_allclose(hits, [1.9, ball, np.inf], rtol=1e-5)


def test_images_agree_with_rays():
    pair = box_and_ball()
    depth, index = things.cast(pair, INTRINSICS, height=48, width=64)
    rays = raycast.pixel_dirs(INTRINSICS, height=48, width=64).reshape(1, -1, 3)
    expected = things.cast_rays(pair, rays).reshape(depth.shape)
    np.testing.assert_allclose(depth, expected, rtol=1e-5)
    assert set(np.unique(index)) == {-1, 0, 1}
    np.testing.assert_array_equal(index == -1, np.isinf(expected))


def test_normals_face_the_camera():
    pair = box_and_ball()
    depth, index = things.cast(pair, INTRINSICS, height=48, width=64)
    rays = raycast.pixel_dirs(INTRINSICS, height=48, width=64)
    xyz = rays[None] * jnp.where(index >= 0, depth, 1.0)[..., None]
    normal = np.asarray(things.normals(pair, index, xyz))
    np.testing.assert_allclose(
        normal[np.asarray(index) == 1],
        np.broadcast_to([0.0, 0.0, -1.0], normal[np.asarray(index) == 1].shape),
    )
    towards = -np.sum(normal * np.asarray(xyz), axis=-1)
    assert np.all(towards[np.asarray(index) == 0] > 0.0)


def test_things_that_are_absent_hit_no_ray(person):
    none = dataclasses.replace(ALL, held_share=0.0, front_share=0.0)
    found = sample(person, dataclasses.replace(none, worn_share=0.0, near_share=0.0))
    assert float(jnp.max(found.cones.start_radius)) == 0.0
    assert float(jnp.max(found.box_half)) == 0.0
    down = jnp.array([[[0.0, 1.0, 0.01]]] * 3)
    assert np.all(np.isinf(things.cast_rays(found, down)))


def test_clothes_are_always_in_the_mask_and_other_things_sometimes(person):
    masks = np.stack([sample(person, seed=seed).in_mask for seed in range(40)])
    assert masks[:, WORN].all()
    others = np.delete(masks, WORN, axis=1)
    assert np.all((others.mean(axis=0) > 0.2) & (others.mean(axis=0) < 0.8))


def test_held_things_touch_the_hand_and_near_things_stand_still(person):
    for seed in range(5):
        found = sample(person, seed=seed)
        for thing, side in enumerate(("left", "right")):
            hand = person[:, BODY.index(f"{side}_hand")]
            one = jax.tree.map(lambda leaf, at=thing: leaf[:, at], found.cones)
            axis = one.basis[:, :, 0]
            along = jnp.sum((hand - one.center) * axis, axis=-1)
            foot = one.center + jnp.clip(along, 0, one.length)[:, None] * axis
            gap = jnp.linalg.norm(hand - foot, axis=-1) - one.start_radius
            assert float(jnp.max(gap)) < 0.1
        near = found.cones.center[:, NEAR]
        np.testing.assert_array_equal(near, near[:1].repeat(3, 0))
        assert float(found.cones.start_radius[0, NEAR]) <= 0.15
        assert float(near[0, 1]) < 0.0  # above the floor


def test_a_clip_has_a_cello_or_a_box(person):
    cello, box = [], []
    for seed in range(12):
        found = sample(person, seed=seed)
        cello.append(float(found.cones.start_radius[0, 2]) > 0.0)
        box.append(float(found.box_half.min()) > 0.0)
    assert set(zip(cello, box, strict=True)) == {(True, False), (False, True)}
