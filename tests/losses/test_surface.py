import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import losses
from unipose_jax.physics import anthropometry
from unipose_jax.skeleton import definitions

SURFACE = jax.jit(losses.surface_distance, static_argnames="delta")
HINGE = jax.jit(losses.surface_hinge, static_argnames="delta")
pull = functools.partial(SURFACE, skin_depth=jnp.array([0.06]))
hinge = functools.partial(HINGE, min_skin_depth=jnp.array([0.02]))


def joint(z):
    return jnp.array([[0.3, -0.2, z]])


def slope(term, z, surface_depth=2.0):
    at = jnp.array([surface_depth])
    return jax.jit(jax.grad(lambda xyz: term(xyz, at).mean()))(joint(z))[0]


def test_pull_is_zero_a_skin_depth_behind_the_surface():
    np.testing.assert_allclose(
        pull(joint(2.06), jnp.array([2.0])).mean(), 0.0, atol=1e-8
    )


def test_pull_matches_hand_computed_value():
    # 10 cm off with delta 10 cm: half of the full penalty of 10 cm.
    value = pull(joint(2.16), jnp.array([2.0]), delta=0.1).mean()
    np.testing.assert_allclose(value, 0.05, rtol=1e-4)


def test_pull_moves_depth_only_and_towards_the_skin_depth():
    np.testing.assert_array_equal(slope(pull, 2.10)[:2], 0.0)
    assert slope(pull, 2.10)[2] > 0
    assert slope(pull, 2.02)[2] < 0


def test_distance_saturates_for_a_joint_behind_another_limb():
    near, far = slope(pull, 2.10)[2], slope(pull, 2.9)[2]
    assert far < 0.02 * near
    assert pull(joint(2.9), jnp.array([2.0])).mean() < 0.1


def test_hinge_is_free_behind_the_bound_and_robust_in_front():
    for z in (2.02, 2.1, 3.0):
        np.testing.assert_allclose(
            hinge(joint(z), jnp.array([2.0])).mean(), 0, atol=1e-8
        )
    # 3 cm short with delta 4 cm: a 3-4-5 triangle.
    value = hinge(joint(1.99), jnp.array([2.0]), delta=0.04).mean()
    np.testing.assert_allclose(value, 0.01, rtol=1e-4)
    np.testing.assert_allclose(slope(hinge, 1.0), [0.0, 0.0, -1.0], atol=0.01)


@pytest.mark.parametrize("term", [pull, hinge], ids=["pull", "hinge"])
def test_the_observed_surface_takes_no_gradient(term):
    grad = jax.jit(jax.grad(lambda s: term(joint(1.95), s).mean()))(jnp.array([2.0]))
    np.testing.assert_array_equal(grad, 0.0)


def test_skin_depth_can_be_learned():
    def value(skin_depth):
        return pull(joint(2.10), jnp.array([2.0]), skin_depth=skin_depth).mean()

    assert jax.grad(value)(jnp.array([0.06]))[0] < 0


TERMS = {
    "pull": functools.partial(SURFACE, skin_depth=jnp.full(3, 0.02)),
    "hinge": functools.partial(HINGE, min_skin_depth=jnp.full(3, 0.02)),
}
every_term = pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)


@every_term
def test_unobserved_surfaces_give_zero_and_no_gradient_even_if_nan(term):
    xyz = jnp.array([[0.0, 0.0, 1.9], [0.0, 0.0, 1.8], [0.0, 0.0, 9.0]])
    where = jnp.array([True, True, False])
    depth = jnp.array([2.0, 2.0, jnp.nan])
    dirty = xyz.at[2].set(jnp.nan)
    clean = term(xyz, depth.at[2].set(2.0))
    for joints in (xyz, dirty):
        found = term(joints, depth, where=where)
        np.testing.assert_allclose(found, clean.at[2].set(0.0))
    grad = jax.grad(lambda x: term(x, depth, where=where).mean())(dirty)
    chex.assert_tree_all_finite(grad)
    np.testing.assert_array_equal(grad[2], 0.0)
    assert jnp.all(grad[:2, 2] < 0)


@every_term
def test_vmap_equals_batched_equals_jit(term):
    keys = jax.random.split(jax.random.key(1), 3)
    xyz = 2.0 + 0.2 * jax.random.normal(keys[0], (4, 3, 3))
    depth = 2.0 + 0.1 * jax.random.normal(keys[1], (4, 3))
    where = jax.random.uniform(keys[2], (4, 3)) > 0.2

    def apply(xyz, depth, where):
        return term(xyz, depth, where=where)

    batched = apply(xyz, depth, where)
    mapped = jax.jit(jax.vmap(apply))(xyz, depth, where)
    chex.assert_trees_all_close(mapped, batched, rtol=1e-5)


STICK = definitions.Skeleton("stick", ("pelvis", "neck", "head"), (-1, 0, 1))
STICK_XYZ = jnp.array([[0.0, 0.0, 2.0], [0.0, -0.5, 2.0], [0.0, -0.75, 2.0]])
RADII = jnp.array([0.15, 0.10])


COVERAGE = jax.jit(losses.coverage, static_argnames=("skeleton", "delta"))


def coverage(xyz=STICK_XYZ, points=None, valid=None, present=None, **options):
    options |= {"points_valid": valid, "where": present}
    return COVERAGE(xyz, points, skeleton=STICK, radii=RADII, **options)


def test_points_inside_a_capsule_cost_nothing():
    points = jnp.array([[0.1, -0.2, 2.0], [0.0, 0.14, 2.0], [0.0, -0.8, 1.95]])
    points = jnp.concatenate([points, STICK_XYZ])
    np.testing.assert_array_equal(coverage(points=points).mean(), 0.0)


@pytest.mark.parametrize(
    "point",
    [
        [0.25, -0.2, 2.0],  # beside the trunk, 15 + 10 cm
        [0.0, 0.15, 2.2],  # below the pelvis: 3-4-5, 25 cm from its end
        [0.2, -0.7, 2.0],  # beside the head, 10 + 10 cm
    ],
)
def test_distance_is_to_the_nearest_capsule(point):
    # 10 cm outside with delta 10 cm: half of the full penalty of 10 cm.
    value = coverage(points=jnp.array([point]), delta=0.1).mean()
    np.testing.assert_allclose(value, 0.05, rtol=1e-4)


def test_bones_move_towards_uncovered_points():
    points = jnp.array([[0.25, -0.25, 2.0]])
    grad = jax.jit(jax.grad(lambda xyz: coverage(xyz, points).mean()))(STICK_XYZ)
    assert jnp.all(grad[:2, 0] < 0)
    np.testing.assert_array_equal(grad[2], 0.0)


def test_far_points_pull_little():
    def strength(x):
        points = jnp.array([[x, -0.25, 2.0]])
        return jnp.abs(
            jax.jit(jax.grad(lambda xyz: coverage(xyz, points).mean()))(STICK_XYZ)
        ).max()

    assert strength(1.5) < 0.05 * strength(0.25)


def test_invalid_points_change_nothing_even_if_nan():
    points = jnp.array([[0.25, -0.2, 2.0], [jnp.nan, 1.0, 1.0]])
    valid = jnp.array([True, False])

    def value(xyz):
        return coverage(xyz, points, valid).sum()

    np.testing.assert_allclose(value(STICK_XYZ), coverage(points=points[:1])[0])
    chex.assert_tree_all_finite(jax.grad(value)(STICK_XYZ))


@pytest.mark.parametrize("hidden", [jnp.nan, 0.0, 7.0])
def test_a_masked_joint_makes_its_bones_absent(hidden):
    points = STICK_XYZ + jnp.array([[0.3, 0.0, 0.0]])
    dirty = STICK_XYZ.at[2].set(hidden)  # the head
    present = jnp.array([True, True, False])
    trunk = definitions.Skeleton("trunk", ("pelvis", "neck"), (-1, 0))

    @jax.jit
    @jax.value_and_grad
    def masked(xyz):
        return coverage(xyz, points, present=present).mean()

    @jax.jit
    @jax.value_and_grad
    def absent(xyz):
        return COVERAGE(xyz, points, skeleton=trunk, radii=RADII[:1]).mean()

    value, grad = masked(dirty)
    expected, expected_grad = absent(STICK_XYZ[:2])
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(grad[:2], expected_grad, rtol=1e-5)
    np.testing.assert_array_equal(grad[2], 0.0)
    assert value > coverage(points=points).mean()


def test_no_point_counts_where_no_bone_is_left():
    xyz = STICK_XYZ.at[1].set(jnp.nan)  # both bones end at the neck
    present = jnp.array([True, False, True])

    def term(xyz):
        return coverage(xyz, STICK_XYZ + 1.0, present=present)

    np.testing.assert_array_equal(term(xyz), 0.0)
    np.testing.assert_array_equal(jax.grad(lambda x: term(x).mean())(xyz), 0.0)


@pytest.mark.parametrize("xyz", [jnp.zeros((3, 3)), STICK_XYZ.at[1].set(STICK_XYZ[0])])
def test_gradient_is_finite_for_collapsed_bones(xyz):
    points = jnp.concatenate([xyz, xyz + 0.3])
    grad = jax.jit(jax.grad(lambda x: coverage(x, points).mean()))(xyz)
    chex.assert_tree_all_finite(grad)
    assert jnp.max(jnp.abs(grad)) < 10.0


def test_a_standing_person_covers_points_on_its_skin():
    skeleton = definitions.ITOP15
    rows = []
    for name in skeleton.joints:
        figures = anthropometry.JOINTS[anthropometry.joint_kind(name)]
        side = -1.0 if name.startswith("right_") else 1.0
        rows.append([side * figures.lateral, -figures.height, -figures.forward])
    xyz = 1.7 * jnp.array(rows) + jnp.array([[0.0, 0.0, 3.0]])
    skin = anthropometry.skin_depths(skeleton)
    points = xyz.at[:, 2].add(-skin)
    term = COVERAGE(
        xyz,
        points,
        skeleton=skeleton,
        radii=anthropometry.capsule_radii(skeleton),
    )
    np.testing.assert_array_equal(term.mean(), 0.0)


def test_coverage_vmap_equals_batched_equals_jit():
    keys = jax.random.split(jax.random.key(0), 2)
    xyz = STICK_XYZ[None] + 0.1 * jax.random.normal(keys[0], (4, 3, 3))
    points = STICK_XYZ[:1][None] + 0.4 * jax.random.normal(keys[1], (4, 20, 3))
    batched = coverage(xyz, points)
    mapped = jax.jit(jax.vmap(coverage))(xyz, points)
    chex.assert_trees_all_close(mapped, batched, rtol=1e-5)
