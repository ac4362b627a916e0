import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.synthesis.render import raycast

# The ray of pixel (80, 60) is the optical axis.
INTRINSICS = jnp.array([142.9, 142.9, 80.5, 60.5])
SIZE = {"height": 120, "width": 160}
MIDDLE = (0, 60, 80)


def round_cone(center, *, length=0.0, start=1.0, end=None, basis=None):
    """One primitive in one frame."""
    basis = np.eye(3) if basis is None else basis
    return raycast.Primitives(
        center=jnp.array(center, jnp.float32)[None, None],
        basis=jnp.asarray(basis, jnp.float32)[None, None],
        length=jnp.full((1, 1), length),
        start_radius=jnp.full((1, 1), start),
        end_radius=jnp.full((1, 1), start if end is None else end),
    )


def random_primitives(seed, *, frames, prims, depth=(1.0, 3.0)):
    rng = np.random.default_rng(seed)
    low, high = [-0.8, -0.8, depth[0]], [0.8, 0.8, depth[1]]
    rotation = np.linalg.qr(rng.normal(size=(frames, prims, 3, 3)))[0]
    stretch = rng.uniform(0.5, 1.5, (frames, prims, 1, 3))
    leaves = (
        rng.uniform(low, high, (frames, prims, 3)),
        rotation * stretch,
        rng.uniform(0.0, 0.5, (frames, prims)),
        rng.uniform(0.03, 0.2, (frames, prims)),
        rng.uniform(0.03, 0.2, (frames, prims)),
    )
    return raycast.Primitives(*(jnp.asarray(leaf, jnp.float32) for leaf in leaves))


def image_dirs(frames):
    dirs = raycast.pixel_dirs(INTRINSICS, **SIZE).reshape(1, -1, 3)
    return jnp.broadcast_to(dirs, (frames, *dirs.shape[1:]))


@jax.jit
def cast(primitives):
    return raycast.cast(primitives, INTRINSICS, **SIZE)


cast_rays = jax.jit(raycast.cast_rays)


def hit_points(primitives):
    """Surface points (n, 3) of the first frame, camera frame."""
    depth, part = cast(primitives)
    dirs = raycast.pixel_dirs(INTRINSICS, **SIZE)
    xyz = np.asarray(dirs * depth[0][..., None])[np.asarray(part[0] >= 0)]
    assert len(xyz) > 100
    return xyz


def test_pixel_rays_pass_through_pixel_centres():
    dirs = raycast.pixel_dirs(INTRINSICS, **SIZE)
    np.testing.assert_allclose(dirs[60, 80], [0.0, 0.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(dirs[0, 0], [-80 / 142.9, -60 / 142.9, 1.0], rtol=1e-6)


def test_sphere_depth_matches_an_example_computed_by_hand():
    depth, part = cast(round_cone([0.0, 0.0, 2.0], start=0.3))
    np.testing.assert_allclose(depth[MIDDLE], 1.7, rtol=1e-5)
    assert part[MIDDLE] == 0
    # Ray (x, 0, 1), x = 20 / 142.9: (1 + x^2) t^2 - 4 t + 4 - 0.09 = 0.
    square = 1.0 + (20 / 142.9) ** 2
    expected = (2.0 - np.sqrt(4.0 - square * 3.91)) / square
    np.testing.assert_allclose(depth[0, 60, 100], expected, rtol=1e-5)


def test_capsule_depth_matches_an_example_computed_by_hand():
    # Axis across the image at 2 m, radius 10 cm: the front line lies at 1.9 m.
    depth, _ = cast(round_cone([-0.3, 0.0, 2.0], length=0.6, start=0.1, end=0.1))
    np.testing.assert_allclose(depth[0, 60, 65:96], 1.9, rtol=1e-5)
    # 20 pixels below, x = 20 / 142.9, the cylinder is a circle in the y-z plane.
    assert jnp.isinf(depth[0, 40, 80])
    square = 1.0 + (5 / 142.9) ** 2
    expected = (2.0 - np.sqrt(4.0 - square * 3.99)) / square
    np.testing.assert_allclose(depth[0, 65, 80], expected, rtol=1e-5)


def test_ellipsoid_points_satisfy_its_equation():
    semi_axes = np.array([0.5, 0.2, 0.3])
    xyz = hit_points(round_cone([0.1, -0.1, 2.0], basis=np.diag(semi_axes)))
    local = (xyz - [0.1, -0.1, 2.0]) / semi_axes
    np.testing.assert_allclose((local**2).sum(-1), 1.0, atol=1e-4)


@pytest.mark.parametrize(("start", "end"), [(0.2, 0.05), (0.04, 0.22), (0.1, 0.1)])
@pytest.mark.parametrize("tilt", [0.0, 0.8, 1.5])
def test_tapered_capsule_is_the_hull_of_its_two_spheres(start, end, tilt):
    cos, sin = np.cos(tilt), np.sin(tilt)
    basis = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    center = np.array([-0.1, 0.05, 1.8])
    cone = round_cone(center, length=0.5, start=start, end=end, basis=basis)
    xyz = hit_points(cone)
    # The hull is the union of the spheres that interpolate between the two.
    share = np.linspace(0.0, 1.0, 4001)[:, None]
    middles = center + share * 0.5 * basis[:, 0]
    radii = start + (end - start) * share[:, 0]
    distance = np.linalg.norm(xyz[:, None] - middles[None], axis=-1) - radii
    np.testing.assert_allclose(distance.min(axis=1), 0.0, atol=1e-4)


def test_mask_is_the_silhouette():
    center, radius = np.array([0.2, -0.1, 1.5]), 0.25
    _, part = cast(round_cone(center, start=radius))
    dirs = np.asarray(raycast.pixel_dirs(INTRINSICS, **SIZE))
    unit = dirs / np.linalg.norm(dirs, axis=-1, keepdims=True)
    along = unit @ center
    distance = np.sqrt(center @ center - along**2)
    certain = np.abs(distance - radius) > 1e-4
    np.testing.assert_array_equal((part[0] >= 0)[certain], (distance < radius)[certain])


@pytest.mark.parametrize("depth", [(1.0, 3.0), (-0.3, 0.6), (3.0, 8.0)])
def test_tiled_ray_casting_equals_casting_all_rays(depth):
    # Near primitives reach behind the camera, far ones are smaller than a tile.
    people = random_primitives(0, frames=3, prims=20, depth=depth)
    image, part = cast(people)
    dense = cast_rays(people, image_dirs(3))
    expected = dense.min(axis=-1).reshape(image.shape)
    # Thin things far away and grazing rays amplify rounding: a pixel may differ.
    assert np.sum(np.isfinite(image) != np.isfinite(expected)) <= 2
    hit = np.isfinite(image) & np.isfinite(expected) & (expected > 1e-3)
    # The index takes 5 bits of the mantissa.
    error = np.abs(image - expected)[hit] / expected[hit]
    assert np.quantile(error, 0.99) < 2e-5
    assert np.max(error) < 1e-2
    chosen = jnp.take_along_axis(
        dense.reshape(*part.shape, -1), jnp.maximum(part, 0)[..., None], axis=-1
    )
    np.testing.assert_allclose(chosen[..., 0][hit], expected[hit], rtol=1e-3)


def test_size_need_not_be_a_multiple_of_the_tile():
    people = random_primitives(1, frames=1, prims=5)
    crop = jax.jit(lambda p: raycast.cast(p, INTRINSICS, height=51, width=67))
    depth, part = crop(people)
    whole, whole_part = cast(people)
    np.testing.assert_array_equal(depth, whole[:, :51, :67])
    np.testing.assert_array_equal(part, whole_part[:, :51, :67])


def test_nearest_primitive_wins():
    near, far = round_cone([0, 0, 1.5], start=0.1), round_cone([0, 0, 2.5], start=0.4)
    both = jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), far, near)
    depth, part = cast(both)
    assert part[MIDDLE] == 1
    np.testing.assert_allclose(depth[MIDDLE], 1.4, rtol=1e-5)
    assert part[0, 60, 100] == 0


def test_primitives_behind_the_camera_are_not_hit():
    depth, part = cast(round_cone([0.0, 0.0, -2.0], start=0.5))
    assert jnp.all(jnp.isinf(depth))
    assert jnp.all(part == -1)


def test_normals_of_sphere_and_capsule_point_outwards():
    dirs = raycast.pixel_dirs(INTRINSICS, **SIZE)
    for shape, axis in (
        (round_cone([0.1, 0.0, 2.0], start=0.4), None),
        (round_cone([-0.5, 0.0, 2.0], length=1.2, start=0.2, end=0.2), 0),
    ):
        depth, part = cast(shape)
        xyz = dirs[None] * jnp.where(part >= 0, depth, 1.0)[..., None]
        normal, local = raycast.normals(shape, part, xyz)
        hit = np.asarray(part[0] >= 0)
        expected = np.asarray(xyz[0] - shape.center[0][None])[hit]
        if axis is not None:  # around the cylinder's axis, between the caps
            along = np.asarray(local[0, ..., 0])[hit]
            inside = (along > 0.01) & (along < 1.19)
            expected[:, axis] = 0.0
            expected, got = expected[inside], np.asarray(normal[0])[hit][inside]
        else:
            got = np.asarray(normal[0])[hit]
        expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
        np.testing.assert_allclose(got, expected, atol=2e-4)


def test_normal_of_a_cone_is_orthogonal_to_its_surface():
    cone = round_cone([-0.25, 0.0, 1.5], length=0.5, start=0.2, end=0.08)
    depth, part = cast(cone)
    dirs = raycast.pixel_dirs(INTRINSICS, **SIZE)
    xyz = dirs[None] * jnp.where(part >= 0, depth, 1.0)[..., None]
    normal, _ = raycast.normals(cone, part, xyz)
    step = xyz[0, 60, 76:86] - xyz[0, 60, 75:85]
    np.testing.assert_allclose(
        jnp.sum(step * normal[0, 60, 75:85], axis=-1), 0.0, atol=1e-5
    )


def test_rigid_motion_moves_the_image():
    people = random_primitives(2, frames=2, prims=6, depth=(1.0, 1.5))
    shift = jnp.eye(4).at[2, 3].set(1.0)
    moved = raycast.transform(people, shift)
    np.testing.assert_allclose(moved.center[..., 2], people.center[..., 2] + 1.0)
    turn = jnp.array([[0.0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])
    turned = raycast.transform(people, turn)
    dirs = jax.random.normal(jax.random.key(0), (2, 50, 3))
    rotated = jnp.einsum("ij,frj->fri", turn[:3, :3], dirs)
    np.testing.assert_allclose(
        cast_rays(turned, rotated), cast_rays(people, dirs), rtol=1e-3
    )


def test_local_from_frame_inverts_a_stretched_basis():
    basis = random_primitives(3, frames=2, prims=4).basis
    product = jnp.matmul(raycast.local_from_frame(basis), basis)
    expected = jnp.broadcast_to(jnp.eye(3), product.shape)
    np.testing.assert_allclose(product, expected, atol=1e-5)


def test_too_many_primitives_are_refused():
    people = random_primitives(4, frames=1, prims=raycast.MAX_PRIMITIVES + 1)
    with pytest.raises(ValueError, match="at most 31"):
        cast(people)


def test_materialize_changes_nothing_even_with_nan():
    tree = {"a": jnp.array([jnp.nan, 1.0]), "b": jnp.array([[True, False]])}
    out = jax.jit(raycast.materialize)(tree)
    np.testing.assert_array_equal(out["a"], tree["a"])
    np.testing.assert_array_equal(out["b"], tree["b"])


def test_jit_and_vmap_give_the_same_image():
    people = random_primitives(5, frames=4, prims=8)
    depth, part = cast(people)
    stacked = jax.tree.map(lambda leaf: leaf.reshape(2, 2, *leaf.shape[1:]), people)
    many_depth, many_part = jax.jit(jax.vmap(cast))(stacked)
    np.testing.assert_array_equal(many_part.reshape(part.shape), part)
    # Grazing rays amplify differences of rounding between compilations.
    np.testing.assert_allclose(many_depth.reshape(depth.shape), depth, rtol=1e-3)
