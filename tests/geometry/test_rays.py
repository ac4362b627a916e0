import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import camera, rays, transforms

INTRINSICS = jnp.array([300.0, 310.0, 160.0, 120.0])
ORIGIN = jnp.array([0.05, -0.02, 0.01])


def make_rays(seed, *shape):
    dirs = np.random.default_rng(seed).normal(size=(*shape, 3))
    return jnp.asarray(dirs / np.linalg.norm(dirs, axis=-1, keepdims=True), "f4")


def test_residual_is_the_hand_computed_offset():
    # Ray: the optical axis of a camera 1 m to the right.
    origin, axis = jnp.array([1.0, 0.0, 0.0]), jnp.array([0.0, 0.0, 1.0])
    residual = rays.point_to_ray_residual(jnp.array([[1.03, 0.04, 2.0]]), origin, axis)
    np.testing.assert_allclose(residual, [[0.03, 0.04, 0.0]], atol=1e-7)
    closest = rays.closest_point_on_ray(jnp.array([[1.03, 0.04, 2.0]]), origin, axis)
    np.testing.assert_allclose(closest, [[1.0, 0.0, 2.0]])


@pytest.mark.parametrize("slide", [0.0, 0.5, 3.0])
def test_zero_for_points_on_their_rays(slide):
    dirs = make_rays(0, 4, 7)
    origin = jnp.broadcast_to(ORIGIN, dirs.shape)
    residual = rays.point_to_ray_residual(origin + slide * dirs, origin, dirs)
    np.testing.assert_allclose(residual, 0.0, atol=1e-6)


def test_behind_the_origin_the_residual_points_from_the_origin():
    point = jnp.array([[0.3, 0.0, -2.0]])
    axis = jnp.array([0.0, 0.0, 1.0])
    residual = rays.point_to_ray_residual(point, jnp.zeros(3), axis)
    np.testing.assert_allclose(residual, point)
    closest = rays.closest_point_on_ray(point, jnp.zeros(3), axis)
    np.testing.assert_allclose(closest, jnp.zeros((1, 3)))


def test_residual_is_perpendicular_to_the_ray_and_completes_the_closest_point():
    dirs = make_rays(1, 50)
    xyz = 2.0 * dirs + 0.3 * make_rays(2, 50)
    residual = rays.point_to_ray_residual(xyz, ORIGIN, dirs)
    along = jnp.sum(residual * dirs, axis=-1)
    np.testing.assert_allclose(along, 0.0, atol=1e-6)
    closest = rays.closest_point_on_ray(xyz, ORIGIN, dirs)
    np.testing.assert_allclose(closest + residual, xyz, atol=1e-6)


def test_residual_moves_with_the_whole_scene():
    dirs, xyz = make_rays(3, 20), 2.0 * make_rays(4, 20)
    move = transforms.from_rotation_translation(
        transforms.rotation_from_euler(jnp.array([0.3, -0.7, 1.1])), ORIGIN
    )
    residual = rays.point_to_ray_residual(xyz, ORIGIN, dirs)
    moved = rays.point_to_ray_residual(
        transforms.apply(move, xyz),
        transforms.apply(move, ORIGIN[None])[0],
        transforms.rotate(move, dirs),
    )
    np.testing.assert_allclose(moved, transforms.rotate(move, residual), atol=2e-6)


def test_rays_of_another_camera_pass_through_what_it_sees():
    frame_from_cam = transforms.from_rotation_translation(
        transforms.rotation_about(jnp.array([0.0, 1.0, 0.0]), jnp.array(0.4)), ORIGIN
    )
    xyz_cam = jnp.array([[0.2, -0.1, 2.5]]) + 0.3 * make_rays(5, 27)
    uv = camera.uv_from_xyz(xyz_cam, INTRINSICS)
    origins, dirs = rays.rays_from_uv(uv, INTRINSICS, frame_from_cam)
    xyz = transforms.apply(frame_from_cam, xyz_cam)
    residual = rays.point_to_ray_residual(xyz, origins, dirs)
    np.testing.assert_allclose(residual, 0.0, atol=1e-6)
    np.testing.assert_allclose(jnp.linalg.norm(dirs, axis=-1), 1.0, rtol=1e-6)


@pytest.mark.parametrize("x", [0.0, 1e-20, 1e-6, 1.0, 1e6])
def test_gradient_of_the_squared_distance_is_finite(x):
    def sq_distance(xyz):
        return jnp.sum(rays.point_to_ray_residual(xyz, ORIGIN, ray_dirs) ** 2)

    ray_dirs = jnp.array([0.0, 0.0, 1.0])
    for z in (-1.0, 0.0, 2.0):
        xyz = ORIGIN[None] + jnp.array([[x, 0.0, z]])
        chex.assert_tree_all_finite(jax.grad(sq_distance)(xyz))


@pytest.mark.parametrize(
    "function", [rays.closest_point_on_ray, rays.point_to_ray_residual]
)
@pytest.mark.parametrize("origin_shape", [(3,), (4, 5, 3), (4, 1, 3)])
def test_vmap_equals_batched_equals_jit(function, origin_shape):
    xyz, dirs = 2.0 * make_rays(6, 4, 5), make_rays(7, 4, 5)
    origins = jnp.broadcast_to(ORIGIN, origin_shape)
    in_axes = (0, None if len(origin_shape) == 1 else 0, 0)
    chex.assert_trees_all_close(
        jax.jit(jax.vmap(function, in_axes))(xyz, origins, dirs),
        jax.jit(function)(xyz, origins, dirs),
        atol=1e-6,
    )


def test_rays_from_uv_vmap_equals_batched_equals_jit():
    uv = 300.0 * jax.random.uniform(jax.random.key(8), (3, 6, 2))
    intrinsics = jnp.broadcast_to(INTRINSICS, (3, 4))
    angles = jax.random.normal(jax.random.key(9), (3, 3))
    frame_from_cam = transforms.from_rotation_translation(
        transforms.rotation_from_euler(angles), 0.1 * angles
    )
    chex.assert_trees_all_close(
        jax.jit(jax.vmap(rays.rays_from_uv))(uv, intrinsics, frame_from_cam),
        jax.jit(rays.rays_from_uv)(uv, intrinsics, frame_from_cam),
        atol=1e-6,
    )


ON_AXIS = (INTRINSICS[None, 2:], INTRINSICS)  # a keypoint, and its camera


def keypoint_example(*shape):
    xyz = jnp.asarray(np.random.default_rng(6).normal(size=(*shape, 3)), "f4")
    xyz = 0.5 * xyz + jnp.array([0.0, 0.0, 2.5]).reshape((1,) * len(shape) + (3,))
    return xyz, camera.uv_from_xyz(xyz, INTRINSICS), INTRINSICS


def test_agreement_is_one_on_the_ray_and_falls_off_it():
    exact = rays.ray_agreement(*keypoint_example(2, 7))
    np.testing.assert_allclose(exact, 1.0, rtol=1e-5)
    off = rays.ray_agreement(jnp.array([[0.05, 0.0, 2.0]]), *ON_AXIS, scale=0.05)
    np.testing.assert_allclose(off, [np.exp(-0.5)], rtol=1e-5)


def test_agreement_outside_the_mask_is_zero_even_if_nan():
    nan = jnp.full((2, 7, 3), jnp.nan)
    where = jnp.zeros((2, 7), dtype=bool)
    found = rays.ray_agreement(nan, nan[..., :2], INTRINSICS, where=where)
    np.testing.assert_array_equal(found, 0.0)


def test_agreement_takes_no_gradient_and_moves_joints_to_the_keypoint_camera():
    cam_from_xyz = jnp.eye(4).at[0, 3].set(-0.05)

    def value(xyz):
        return rays.ray_agreement(xyz, *ON_AXIS, cam_from_xyz=cam_from_xyz).sum()

    xyz = jnp.array([[0.0, 0.0, 2.0]])
    np.testing.assert_allclose(value(xyz), np.exp(-0.5), rtol=1e-5)
    np.testing.assert_array_equal(jax.grad(value)(xyz), 0.0)


def test_agreement_vmap_equals_batched_equals_jit():
    xyz, uv, _ = keypoint_example(3, 2, 7)
    batch = (xyz, uv + 4.0, jnp.broadcast_to(INTRINSICS, (3, 2, 4)))
    batched = jax.jit(rays.ray_agreement)(*batch)
    mapped = jax.jit(jax.vmap(rays.ray_agreement))(*batch)
    chex.assert_trees_all_close(mapped, batched, rtol=1e-5)
