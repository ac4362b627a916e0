import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import losses, reduction, skeleton
from unipose_jax.geometry import camera, transforms

INTRINSICS = jnp.array([286.0, 290.0, 160.0, 120.0])
ON_AXIS = {
    "uv": INTRINSICS[None, 2:],
    "intrinsics": INTRINSICS,
}
STATIC = ("delta", "min_depth")
RAY = jax.jit(losses.point_to_ray, static_argnames=STATIC)
REPROJECTION = jax.jit(losses.reprojection, static_argnames=STATIC)


def at_depth(**example):
    depth = jnp.full(example["xyz"].shape[:-2], 2.5)
    return RAY(**example, at_depth=depth)


PENALTIES = {
    "ray": RAY,
    "at_depth": at_depth,
    "reprojection": REPROJECTION,
}
every_penalty = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)


def make_example(seed, shape=(2, 7)):
    """Joints around 2.5 m and their exact keypoints."""
    key = jax.random.split(jax.random.key(seed), 3)[0]
    xyz = 0.5 * jax.random.normal(key, (*shape, 3))
    xyz = xyz + jnp.array([0.0, 0.0, 2.5]).reshape((1,) * len(shape) + (3,))
    return {
        "xyz": xyz,
        "uv": camera.uv_from_xyz(xyz, INTRINSICS),
        "intrinsics": INTRINSICS,
    }


def loss(penalty=RAY, **example):
    return penalty(**example).mean()


def grad(penalty, example, **changed):
    example = example | changed
    return jax.jit(jax.grad(lambda xyz: loss(penalty, **example | {"xyz": xyz})))(
        example["xyz"]
    )


@every_penalty
@pytest.mark.parametrize("slide", [1.0, 1.7])  # sliding along the ray is free
def test_zero_for_points_on_their_rays(penalty, slide):
    example = make_example(0)
    example["xyz"] *= slide
    np.testing.assert_allclose(loss(penalty, **example), 0.0, atol=1e-6)


def test_ray_matches_hand_computed_offset():
    # Ray = optical axis, joint 3 cm to the right at 2 m: a 3-4-5 triangle.
    value = loss(xyz=jnp.array([[0.03, 0.0, 2.0]]), **ON_AXIS, delta=0.04)
    np.testing.assert_allclose(value, 0.04 * (1.25 - 1.0), rtol=1e-5)


def test_at_depth_rescales_the_offset():
    # 2 cm at 2 m subtends what 3 cm do at 3 m.
    value = loss(
        xyz=jnp.array([[0.02, 0.0, 2.0]]),
        **ON_AXIS,
        delta=0.04,
        at_depth=jnp.array(3.0),
    )
    np.testing.assert_allclose(value, 0.04 * (1.25 - 1.0), rtol=1e-5)


@pytest.mark.parametrize("degrees", [0.0, 20.0, 30.0, 40.0])
def test_the_depth_of_the_joint_rescales_nothing_off_the_axis(degrees):
    # Depth is z: at the joint's own z, the distance is the plain one at any angle.
    x = 2.0 * jnp.tan(jnp.radians(degrees))
    xyz = jnp.stack([x, jnp.zeros(()), jnp.array(2.0)])[None]
    uv = camera.uv_from_xyz(xyz, INTRINSICS)
    moved = xyz + jnp.array([[0.0, 0.03, 0.0]])
    found = RAY(moved, uv, INTRINSICS, at_depth=jnp.array(2.0), delta=0.04)
    np.testing.assert_allclose(found, 0.04 * (1.25 - 1.0), rtol=1e-4)


def test_reprojection_matches_hand_computed_pixels():
    # 286 * 0.03 / 2.86 = 3 px right, 290 * 0.04 / 2.9 = 4 px down needs one depth: 2.9.
    xyz = jnp.array([[3.0 * 2.9 / 286.0, 0.04, 2.9]])
    value = loss(REPROJECTION, xyz=xyz, **ON_AXIS, delta=12.0)
    np.testing.assert_allclose(value, 13.0 - 12.0, rtol=1e-5)


@every_penalty
def test_each_joint_has_its_own_penalty(penalty):
    example = make_example(1)
    moved = example | {"xyz": example["xyz"].at[1, 3].add(0.1)}
    changed = penalty(**moved) - penalty(**example)
    np.testing.assert_array_equal(jnp.argwhere(changed > 1e-3), [[1, 3]])


@every_penalty
def test_the_weighted_mean_of_a_training_step(penalty):
    example = make_example(1)
    example["xyz"] += 0.1
    weights = jax.random.uniform(jax.random.key(2), (2, 7))
    where = weights > 0.3
    term = reduction.weighted_mean(penalty(**example, where=where), weights, where)
    alone = np.asarray(penalty(**example))
    expected = np.sum((alone * weights)[where]) / np.sum(weights[where])
    np.testing.assert_allclose(term.mean(), expected, rtol=1e-5)


@every_penalty
def test_masked_joints_give_zero_and_no_gradient_even_if_nan(penalty):
    clean = make_example(1)
    clean["xyz"] += 0.1
    clean["where"] = jnp.ones((2, 7), dtype=bool).at[:, ::2].set(False)
    dirty = clean | {
        "xyz": clean["xyz"].at[:, ::2].set(jnp.nan),
        "uv": clean["uv"].at[:, ::2].set(jnp.nan),
    }
    found = penalty(**dirty)
    np.testing.assert_array_equal(found[:, ::2], 0.0)
    del clean["where"]
    np.testing.assert_allclose(found[:, 1::2], penalty(**clean)[:, 1::2], rtol=1e-6)
    clean["where"] = dirty["where"]
    chex.assert_trees_all_close(grad(penalty, dirty), grad(penalty, clean))
    np.testing.assert_array_equal(grad(penalty, dirty)[:, ::2], 0.0)


@every_penalty
def test_gradient_is_finite_on_the_ray_and_behind_the_camera(penalty):
    x, z = jnp.meshgrid(
        jnp.array([0.0, 1e-20, 1e-6, 1.0, 1e6]),  # 0 is exactly on the ray
        jnp.array([-1e6, -2.0, 0.0, 1e-6, 0.05, 2.0, 1e6]),
    )
    xyz = jnp.stack([x.ravel(), jnp.zeros(x.size), z.ravel()], axis=-1)[:, None]
    grads = jax.vmap(lambda xyz: grad(penalty, ON_AXIS, xyz=xyz))(xyz)
    chex.assert_tree_all_finite(grads)


def test_ray_gradient_pulls_towards_the_camera_and_at_depth_does_not():
    example = make_example(2)
    example["uv"] += 8.0 * jax.random.normal(jax.random.key(3), (2, 7, 2))
    radial = {
        name: jnp.sum(grad(PENALTIES[name], example) * example["xyz"], axis=-1)
        for name in PENALTIES
    }
    assert jnp.all(radial["ray"] > 1e-4)  # going down the gradient shortens p
    np.testing.assert_allclose(radial["at_depth"], 0.0, atol=1e-6)
    np.testing.assert_allclose(radial["reprojection"], 0.0, atol=1e-5)


def test_at_depth_takes_no_gradient():
    example = make_example(2)
    example["xyz"] += 0.1

    @jax.jit
    def value(depth):
        return loss(**example, at_depth=depth)

    np.testing.assert_array_equal(jax.grad(value)(jnp.array([2.0, 3.0])), 0.0)
    assert value(jnp.array([3.0, 3.0])) > value(jnp.array([2.0, 2.0]))


def test_a_point_behind_the_camera_is_led_to_its_centre():
    xyz = jnp.array([[0.3, 0.0, -0.4]])
    direction = -grad(RAY, ON_AXIS, xyz=xyz)
    np.testing.assert_allclose(
        direction / jnp.linalg.norm(direction), [[-0.6, 0.0, 0.8]], atol=1e-5
    )


def test_reprojection_leads_a_point_behind_the_camera_forward():
    xyz = jnp.array([[0.3, 0.0, -0.4]])
    assert grad(REPROJECTION, ON_AXIS, xyz=xyz)[0, 2] < 0


@pytest.mark.parametrize("z", [0.11, 0.5, 3.0])
def test_reprojection_has_the_exact_depth_gradient_in_front(z):
    # u - cx = 286 x / z; far beyond delta the penalty is that distance itself.
    xyz = jnp.array([[0.5, 0.0, z]])
    result = grad(REPROJECTION, ON_AXIS, xyz=xyz, delta=1e-3)
    np.testing.assert_allclose(result[0, 2], -286.0 * 0.5 / z**2, rtol=1e-4)


def test_reprojection_is_smooth_where_the_guard_begins():
    def slope(z):
        xyz = jnp.array([[0.5, 0.0, z]])
        return grad(REPROJECTION, ON_AXIS, xyz=xyz)

    np.testing.assert_allclose(slope(0.0999), slope(0.1001), rtol=0.01)


@every_penalty
def test_rays_of_another_camera_equal_points_moved_to_it(penalty):
    turn = transforms.rotation_from_euler(jnp.array([0.1, -0.3, 0.2]))
    shift = jnp.array([0.5, -0.1, 0.2])
    cam_from_xyz = transforms.from_rotation_translation(turn, shift)
    example = make_example(4)
    example["uv"] += 5.0
    elsewhere = transforms.apply(transforms.invert(cam_from_xyz), example["xyz"])
    moved = example | {"xyz": elsewhere, "cam_from_xyz": cam_from_xyz}
    np.testing.assert_allclose(
        loss(penalty, **moved), loss(penalty, **example), rtol=1e-4
    )
    # The gradient, in the other frame, is turned back.
    expected = jnp.einsum("ij,...i->...j", turn, grad(penalty, example))
    np.testing.assert_allclose(grad(penalty, moved), expected, atol=1e-4)


def test_distance_to_a_displaced_camera_is_measured_from_its_own_origin():
    # The camera sits 5 cm to the right; its axis passes 5 cm beside the joint.
    cam_from_xyz = jnp.eye(4).at[0, 3].set(-0.05)
    xyz = jnp.array([[0.0, 0.0, 2.0]])
    value = loss(xyz=xyz, **ON_AXIS, delta=0.05, cam_from_xyz=cam_from_xyz)
    np.testing.assert_allclose(value, 0.05 * (np.sqrt(2.0) - 1.0), rtol=1e-5)


@every_penalty
def test_vmap_equals_batched_equals_jit(penalty):
    example = make_example(5, shape=(3, 2, 7))
    example["uv"] += 4.0
    example["intrinsics"] = jnp.broadcast_to(INTRINSICS, (3, 2, 4))
    batched = penalty(**example)
    mapped = jax.jit(jax.vmap(lambda e: penalty(**e)))(example)
    chex.assert_trees_all_close(mapped, batched, rtol=1e-5)
    shared = penalty(**example | {"intrinsics": INTRINSICS})
    chex.assert_trees_all_close(shared, batched, rtol=1e-5)


ITOP = skeleton.ITOP15
SQUARED = jax.jit(losses.squared_projection_error)
EXTENT = jax.jit(functools.partial(losses.bone_extent, skeleton=ITOP))


def projections(seed=0):
    return 2.0 * jax.random.normal(jax.random.key(seed), (15, 2))


def test_projection_error_is_squared():
    found = SQUARED(jnp.array([[0.3, 0.4], [0.0, 0.2]]), jnp.zeros((2, 2)))
    np.testing.assert_allclose(found, [0.25, 0.04], rtol=1e-5)


def test_extent_of_bones_has_no_sign():
    mirrored = EXTENT(-projections(), projections())
    np.testing.assert_allclose(mirrored, 0.0, atol=1e-6)
    wide = EXTENT(2.0 * projections(), projections())
    child, parent = np.array(ITOP.bones).T
    spans = np.asarray(projections())[child] - np.asarray(projections())[parent]
    np.testing.assert_allclose(wide, (spans**2).sum(-1), rtol=1e-5)


@pytest.mark.parametrize("term", [SQUARED, EXTENT], ids=["squared", "extent"])
def test_masked_projections_give_zero_and_no_gradient_even_if_nan(term):
    where = jnp.ones(15, bool).at[3].set(False)
    targets = projections(1).at[3].set(jnp.nan)
    dirty = projections().at[3].set(jnp.nan)

    def total(x, y):
        return term(x, y, where=where).sum()

    clean = total(projections(), projections(1))
    np.testing.assert_allclose(total(dirty, targets), clean, rtol=1e-6)
    for grad in jax.grad(total, argnums=(0, 1))(dirty, targets):
        assert np.isfinite(grad).all()
        np.testing.assert_array_equal(grad[3], 0.0)


def test_bones_with_a_masked_end_give_zero():
    where = jnp.ones(15, bool).at[3].set(False)
    child, parent = np.array(ITOP.bones).T
    ends = (child == 3) | (parent == 3)
    found = EXTENT(projections(), projections(1), where=where)
    expected = EXTENT(projections(), projections(1))
    np.testing.assert_allclose(found, jnp.where(ends, 0.0, expected), rtol=1e-6)


@pytest.mark.parametrize("term", [SQUARED, EXTENT], ids=["squared", "extent"])
def test_projection_terms_vmap_equals_batched(term):
    x, y = (jax.random.normal(jax.random.key(seed), (3, 15, 2)) for seed in (0, 1))
    np.testing.assert_allclose(jax.vmap(term)(x, y), term(x, y), rtol=1e-5)
