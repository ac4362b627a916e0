import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import camera, depth

INTRINSICS = jnp.array([60.0, 62.0, 8.0, 6.0])
HEIGHT, WIDTH = 12, 16


def make_depth(seed, *batch):
    shape = (*batch, HEIGHT, WIDTH)
    return jnp.asarray(np.random.default_rng(seed).uniform(1.0, 4.0, shape), "f4")


def make_plane(z, *, slope=0.0, spacing=0.02, half_width=0.4):
    """Points of the plane z + slope x, on a square lattice around the optical axis."""
    ticks = np.arange(-half_width, half_width, spacing) + spacing / 2
    x, y = (grid.ravel() for grid in np.meshgrid(ticks, ticks))
    return jnp.asarray(np.stack([x, y, z + slope * x], -1), jnp.float32)


@jax.jit
def surface_at(xyz, points):
    valid = jnp.ones(points.shape[:-1], bool)
    return depth.surface_depth(xyz, points, points_valid=valid)


def test_pixel_centers_are_at_one_half():
    centers = depth.pixel_centers(3, 4)
    assert centers.shape == (3, 4, 2)
    np.testing.assert_array_equal(centers[0, 0], [0.5, 0.5])
    np.testing.assert_array_equal(centers[2, 1], [1.5, 2.5])  # column 1, row 2


def test_points_of_a_depth_map_project_to_their_pixel_centers():
    grid = make_depth(0, 2)
    xyz = depth.xyz_from_depth(grid, INTRINSICS)
    np.testing.assert_array_equal(xyz[..., 2], grid)
    uv = camera.uv_from_xyz(xyz.reshape(2, -1, 3), INTRINSICS)
    expected = np.broadcast_to(
        depth.pixel_centers(HEIGHT, WIDTH).reshape(1, -1, 2), uv.shape
    )
    np.testing.assert_allclose(uv, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_coarse_depth_keeps_exact_pixel_centers(dtype):
    # At 2 m, column 300 of a 320-pixel row: x / z = (300.5 - 160) / 290.
    grid = jnp.full((2, 320), 2.0, dtype)
    xyz = depth.xyz_from_depth(grid, jnp.array([290.0, 290.0, 160.0, 1.0]))
    assert xyz.dtype == jnp.float32
    np.testing.assert_allclose(xyz[0, 300], [281.0 / 290, -1.0 / 290, 2.0], rtol=1e-6)


def test_pixels_without_depth_give_the_origin():
    xyz = depth.xyz_from_depth(jnp.zeros((HEIGHT, WIDTH)), INTRINSICS)
    np.testing.assert_array_equal(xyz, 0.0)


def test_range_is_the_length_of_the_point():
    grid = make_depth(1, 2)
    distance = depth.range_from_depth(grid, INTRINSICS)
    xyz = depth.xyz_from_depth(grid, INTRINSICS)
    np.testing.assert_allclose(distance, jnp.linalg.norm(xyz, axis=-1), rtol=1e-6)
    back = depth.depth_from_range(distance, INTRINSICS)
    np.testing.assert_allclose(back, grid, rtol=1e-6)


def test_samples_come_from_the_pixel_that_contains_the_position():
    grid = make_depth(2)
    uv = jnp.array([[0.0, 0.0], [3.99, 2.01], [15.99, 11.99]])
    expected = [grid[0, 0], grid[2, 3], grid[11, 15]]
    np.testing.assert_array_equal(depth.sample_depth(grid, uv), expected)


@pytest.mark.parametrize(
    "uv", [(-0.01, 5), (16, 5), (5, -0.01), (5, 12), (np.nan, 5), (np.inf, 5)]
)
def test_samples_outside_the_map_are_zero(uv):
    sampled = depth.sample_depth(make_depth(3), jnp.array([uv], jnp.float32))
    np.testing.assert_array_equal(sampled, [0.0])


def test_sampling_at_pixel_centers_gives_the_map_back():
    grid = make_depth(4, 3)
    uv = jnp.broadcast_to(
        depth.pixel_centers(HEIGHT, WIDTH).reshape(-1, 2), (3, HEIGHT * WIDTH, 2)
    )
    np.testing.assert_array_equal(
        depth.sample_depth(grid, uv).reshape(grid.shape), grid
    )


def test_surface_of_a_facing_plane_is_its_depth():
    joints = jnp.array([[0.0, 0.0, 2.1], [0.1, -0.2, 1.5], [-0.1, 0.1, 9.0]])
    z, valid = surface_at(joints, make_plane(2.0))
    assert bool(valid.all())
    np.testing.assert_allclose(z, 2.0, rtol=1e-6)


def test_one_point_on_the_sight_line_is_the_surface():
    z, valid = surface_at(jnp.array([[0.2, 0.1, 2.0]]), jnp.array([[0.15, 0.075, 1.5]]))
    assert bool(valid[0])
    np.testing.assert_allclose(z, 1.5, rtol=1e-6)


@pytest.mark.parametrize("slope", [-1.0, 0.5, 1.0])
def test_surface_of_a_slanted_plane_is_near_its_depth(slope):
    z, _ = surface_at(jnp.array([[0.0, 0.0, 2.1]]), make_plane(2.0, slope=slope))
    # The envelope leans forward by radius^2 slope^2 / (2 lateral_penalty), 6 mm at 45
    # degrees; points 2 cm apart leave 2 mm of it open.
    np.testing.assert_allclose(2.0 - z, slope**2 * 0.00625, atol=2e-3)


def test_a_limb_in_front_hides_the_torso():
    torso, limb = make_plane(2.0), make_plane(1.8, half_width=0.04)
    joints = jnp.array([[0.0, 0.0, 2.1], [0.2, 0.0, 2.1]])
    z, _ = surface_at(joints, jnp.concatenate([torso, limb]))
    np.testing.assert_allclose(z, [1.8, 2.0], atol=2e-3)  # the smoothing of the minimum


def test_surface_does_not_depend_on_density_or_order():
    joints = jnp.array([[0.0, 0.0, 2.1], [0.1, 0.2, 2.1]])
    coarse = make_plane(2.0, slope=0.5, spacing=0.02)
    z, _ = surface_at(joints, coarse)
    twice, _ = surface_at(joints, jnp.concatenate([coarse, coarse]))
    np.testing.assert_allclose(twice, z, rtol=1e-6)
    backwards, _ = surface_at(joints, coarse[::-1])
    np.testing.assert_allclose(backwards, z, rtol=1e-6)


def test_surface_does_not_depend_on_the_joint_depth():
    points = make_plane(2.0, slope=0.7)
    near, far = (surface_at(s * jnp.array([[0.1, 0.1, 1.0]]), points) for s in (1, 4))
    np.testing.assert_allclose(near[0], far[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("joint", "reason"),
    [((0.8, 0.0, 2.0), "beside the cloud"), ((0.0, 0.0, -2.0), "behind the camera")]
    + [((0.0, 0.0, 0.0), "in the camera"), ((np.nan, 0.0, 2.0), "not a number")],
)
def test_no_surface_without_support(joint, reason):
    z, valid = surface_at(jnp.array([joint, (0.0, 0.0, 2.0)]), make_plane(2.0))
    assert (bool(valid[0]), bool(valid[1])) == (False, True), reason
    np.testing.assert_allclose(z, [0.0, 2.0], rtol=1e-6)


def test_invalid_points_change_nothing_even_if_nan():
    points = make_plane(2.0)
    keep = jnp.arange(len(points)) % 3 > 0
    joints = jnp.array([[0.0, 0.0, 2.1], [0.1, 0.2, 2.1]])
    clean = surface_at(joints, points[keep])
    for garbage in (jnp.nan, 0.0, 0.5):
        dirty = jnp.where(keep[:, None], points, garbage)
        masked = depth.surface_depth(joints, dirty, points_valid=keep)
        chex.assert_trees_all_close(masked, clean, rtol=1e-6)
    none = depth.surface_depth(joints, points, points_valid=jnp.zeros_like(keep))
    np.testing.assert_array_equal(none[1], False)


@pytest.mark.parametrize("z", [0.0, 1e-20, 2.0, np.nan])
def test_no_gradient_flows_through_the_surface(z):
    def total(xyz, points):
        return jnp.sum(surface_at(xyz, points)[0])

    joint = jnp.array([[0.0, 0.0, z]])
    gradients = jax.grad(total, argnums=(0, 1))(joint, make_plane(2.0))
    chex.assert_trees_all_equal(gradients, jax.tree.map(jnp.zeros_like, gradients))


@pytest.mark.parametrize(
    "function", [depth.xyz_from_depth, depth.range_from_depth, depth.depth_from_range]
)
def test_maps_vmap_equals_batched_equals_jit(function):
    grid = make_depth(5, 3)
    intrinsics = jnp.stack([INTRINSICS, INTRINSICS + 1.0, INTRINSICS - 1.0])
    chex.assert_trees_all_close(
        jax.jit(jax.vmap(function))(grid, intrinsics),
        jax.jit(function)(grid, intrinsics),
        rtol=1e-6,
    )


def test_lookups_vmap_equals_batched_equals_jit():
    def lookup(grid, joints, points):
        sampled = depth.sample_depth(grid, 5.0 * joints[..., :2])
        return sampled, *surface_at(joints, points)

    spread = 0.2 * jax.random.normal(jax.random.key(6), (3, 5, 3))
    joints = spread + jnp.array([[[0.0, 0.0, 2.0]]])
    points = jnp.broadcast_to(make_plane(2.0, slope=0.3), (3, 1600, 3))
    arguments = (make_depth(7, 3), joints, points)
    chex.assert_trees_all_close(
        jax.jit(jax.vmap(lookup))(*arguments),
        jax.jit(lookup)(*arguments),
        rtol=1e-6,
    )
