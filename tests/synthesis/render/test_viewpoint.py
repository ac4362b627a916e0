import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.geometry import camera, transforms
from unipose_jax.synthesis.render import viewpoint

BODY = skeleton.BODY


def person(yaw=0.0):
    """Two frames of a person somewhere; at yaw 0 the left hip is at +x."""
    xyz = np.zeros((2, BODY.num_joints, 3), np.float32)
    for name in ("hip", "shoulder"):
        for side, sign in (("left", 1.0), ("right", -1.0)):
            place = [sign * 0.1 * np.cos(yaw), -1.0, sign * 0.1 * np.sin(yaw)]
            xyz[:, BODY.index(f"{side}_{name}")] = place
    xyz[:, BODY.index("pelvis")] = [0.0, -0.9, 0.0]
    xyz[:, BODY.index("thorax")] = [0.0, -1.4, 0.0]
    return jnp.asarray(xyz + np.array([2.0, 0.0, -5.0], np.float32))


def params(**changes):
    return dataclasses.replace(viewpoint.ViewParams(), **changes)


def turn(seed, xyz, **changes):
    return viewpoint.orient_to_camera(jax.random.key(seed), xyz, params(**changes))


def sample(seed, **changes):
    xyz = turn(0, person(), frontal_share=1.0, frontal_spread=0.0)
    view = viewpoint.sample_cameras(
        jax.random.key(seed), xyz, height=120, width=160, params=params(**changes)
    )
    return view, xyz


def yaw_of(xyz):
    left = xyz[0, BODY.index("left_hip")] - xyz[0, BODY.index("right_hip")]
    return float(jnp.arctan2(left[2], left[0]))


@pytest.mark.parametrize("yaw", [0.0, 1.0, 2.5, -2.0])
def test_frontal_people_have_their_left_on_the_cameras_right(yaw):
    xyz = turn(0, person(yaw), frontal_share=1.0, frontal_spread=0.0)
    np.testing.assert_allclose(
        xyz[0, BODY.index("left_hip")], [0.1, -1.0, 0.0], atol=1e-5
    )
    np.testing.assert_allclose(
        xyz[0, BODY.index("pelvis")], [0.0, -0.9, 0.0], atol=1e-5
    )


def test_yaw_covers_the_circle_and_is_denser_in_front():
    yaws = np.array([yaw_of(turn(seed, person(0.7))) for seed in range(200)])
    counts = np.histogram(yaws, bins=np.linspace(-np.pi, np.pi, 9))[0]
    assert np.all(counts > 0)
    assert counts[3:5].sum() > 1.5 * (counts[0] + counts[-1])


def test_turning_keeps_heights_and_distances():
    before = person(0.3)
    after = turn(4, before)
    np.testing.assert_allclose(after[..., 1], before[..., 1], atol=1e-6)

    def distances(xyz):
        return jnp.linalg.norm(xyz[0, :, None] - xyz[0, None], axis=-1)

    np.testing.assert_allclose(distances(after), distances(before), atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_camera_points_at_the_pelvis_from_the_sampled_distance(seed):
    view, xyz = sample(
        seed, aim_jitter=(0.0, 0.0), close_share=0.0, center_jitter=0.0, roll=0.1
    )
    pelvis = transforms.apply(view.cam_from_world, xyz)[:, BODY.index("pelvis")]
    uv = camera.uv_from_xyz(pelvis, view.intrinsics)
    np.testing.assert_allclose(uv[0], [80.0, 60.0], atol=0.1)
    place = transforms.invert(view.cam_from_world)[:3, 3]
    low, high = viewpoint.ViewParams().distance
    assert low <= -place[2] <= high
    assert 0.8 <= -place[1] <= 2.2


def test_close_cameras_see_the_chest():
    view, xyz = sample(1, aim_jitter=(0.0, 0.0), close_share=1.0, center_jitter=0.0)
    thorax = transforms.apply(view.cam_from_world, xyz)[:1, BODY.index("thorax")]
    uv = camera.uv_from_xyz(thorax, view.intrinsics)
    np.testing.assert_allclose(uv[0], [80.0, 60.0], atol=0.1)
    assert 0.85 < float(thorax[0, 2]) < 2.2


def test_poses_are_rigid_and_upright():
    view, _ = sample(2, roll=0.0)
    rotation = view.cam_from_world[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(jnp.linalg.det(rotation), 1.0, rtol=1e-5)
    # Without roll the image's x axis is horizontal; down is down.
    np.testing.assert_allclose(rotation[0, 1], 0.0, atol=1e-6)
    assert rotation[1, 1] > 0.5


def test_registered_colour_camera_is_the_depth_camera():
    view, _ = sample(3, baseline_share=0.0)
    np.testing.assert_array_equal(view.color_from_depth, np.eye(4))
    np.testing.assert_array_equal(view.color_intrinsics, view.intrinsics)


def test_colour_camera_is_offset_by_the_baseline():
    view, _ = sample(3, baseline_share=1.0, baseline=(0.05, 0.05))
    shift = view.color_from_depth[:3, 3]
    # The other axes and a jitter of 4 mm come on top.
    np.testing.assert_allclose(jnp.abs(shift[0]), 0.05, atol=0.02)
    assert jnp.all(jnp.abs(shift[1:]) < 0.02)


def test_focal_length_is_that_of_a_kinect_for_any_image_size():
    view, xyz = sample(0, focal_spread=0.0)
    np.testing.assert_allclose(view.intrinsics[0], 142.85, rtol=1e-4)
    large = viewpoint.sample_cameras(
        jax.random.key(0), xyz, height=240, width=320, params=params(focal_spread=0.0)
    )
    np.testing.assert_allclose(large.intrinsics, 2.0 * view.intrinsics, rtol=1e-5)


def test_vmap_agrees():
    keys = jax.random.split(jax.random.key(0), 3)
    xyz = person()

    def one(key):
        return viewpoint.sample_cameras(
            key, xyz, height=120, width=160, params=params()
        )

    many = jax.jit(jax.vmap(one))(keys)
    for a, b in zip(jax.tree.leaves(many), jax.tree.leaves(one(keys[1])), strict=True):
        np.testing.assert_allclose(a[1], b, rtol=1e-4, atol=1e-5)


def test_ceiling_cameras_look_down_from_above_the_person():
    turned = set()
    for seed in range(12):
        view, xyz = sample(seed, top_share=1.0, top_height=(2.3, 3.0))
        axis = np.asarray(view.cam_from_world)[2, :3]
        assert axis[1] > 0.85  # the optical axis; y points down
        place = np.asarray(transforms.invert(view.cam_from_world))[:3, 3]
        assert 2.29 < -place[1] < 3.01
        pelvis = np.asarray(xyz[:, BODY.index("pelvis")].mean(axis=0))
        assert np.linalg.norm((place - pelvis)[::2]) < 0.51
        turned.add(bool(np.asarray(view.cam_from_world)[0, 0] > 0.0))
    assert turned == {True, False}  # at any angle about the axis


def test_side_cameras_do_not_depend_on_the_ceiling_cameras():
    for seed in range(4):
        alone, _ = sample(seed)
        beside, _ = sample(seed, top_share=1e-6)
        np.testing.assert_allclose(
            alone.cam_from_world, beside.cam_from_world, atol=1e-6
        )
