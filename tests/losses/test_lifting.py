import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.losses import lifting

LOSS = jax.jit(lifting.joint_position_loss, static_argnames="delta")


def loss(xyz, target, weight=None, valid=None, **options):
    weight = jnp.ones(xyz.shape[:-1]) if weight is None else weight
    valid = jnp.ones(xyz.shape[:-1], dtype=bool) if valid is None else valid
    return LOSS(xyz, target, weight=weight, valid=valid, **options)


def poses(seed=0, shape=(2, 5)):
    return 2.0 * jax.random.normal(jax.random.key(seed), (*shape, 3))


def test_matches_hand_computed_distance():
    # |(1, 2, 2)| * 0.01 = 0.03 against 0.04: a 3-4-5 triangle.
    xyz = jnp.array([[0.01, 0.02, 0.02]])
    value = loss(xyz, jnp.zeros((1, 3)), delta=0.04).mean()
    np.testing.assert_allclose(value, 0.01, rtol=1e-5)


def test_zero_for_equal_poses_with_finite_gradient():
    value, grad = jax.value_and_grad(lambda x: loss(x, poses()).mean())(poses())
    np.testing.assert_array_equal(value, 0.0)
    np.testing.assert_array_equal(grad, 0.0)


def test_moving_both_poses_changes_nothing():
    moved = loss(poses() + 1.5, poses(1) + 1.5).mean()
    np.testing.assert_allclose(moved, loss(poses(), poses(1)).mean(), rtol=1e-5)


@pytest.mark.parametrize("distance", [5.0, 50.0])
def test_pull_of_outliers_is_bounded(distance):
    grad = jax.jit(jax.grad(lambda x: loss(x, jnp.zeros((1, 3))).mean()))(
        jnp.array([[distance, 0.0, 0.0]])
    )
    np.testing.assert_allclose(grad, [[1.0, 0.0, 0.0]], atol=1e-3)


def test_weights_weigh_the_mean():
    xyz = jnp.array([[0.1, 0.0, 0.0], [0.3, 0.0, 0.0]])
    parts = [loss(xyz[i : i + 1], jnp.zeros((1, 3))).mean() for i in range(2)]
    both = loss(xyz, jnp.zeros((2, 3)), weight=jnp.array([3.0, 1.0])).mean()
    np.testing.assert_allclose(both, (3 * parts[0] + parts[1]) / 4, rtol=1e-5)


def test_joints_that_are_not_valid_change_nothing_even_if_nan():
    valid = jnp.ones((2, 5), dtype=bool).at[:, ::2].set(False)
    target = jnp.where(valid[..., None], poses(1), jnp.nan)
    xyz = jnp.where(valid[..., None], poses(), jnp.nan)
    weight = jnp.where(valid, 1.0, jnp.nan)
    chex.assert_trees_all_close(
        loss(xyz, target, weight, valid), loss(poses(), poses(1), valid=valid)
    )
    grad = jax.jit(jax.grad(lambda x: loss(x, target, weight, valid).mean()))(xyz)
    chex.assert_tree_all_finite(grad)
    np.testing.assert_array_equal(grad[:, ::2], 0.0)


def test_labels_take_no_gradient():
    grad = jax.jit(jax.grad(lambda t: loss(poses(), t).mean()))(poses(1))
    np.testing.assert_array_equal(grad, 0.0)


def test_vmap_equals_batched_equals_jit():
    batched = loss(poses(), poses(1))
    mapped = jax.tree.map(jnp.sum, jax.jit(jax.vmap(loss))(poses(), poses(1)))
    chex.assert_trees_all_close(mapped, batched, rtol=1e-5)


ITOP = skeleton.ITOP15
BONES = jax.jit(lifting.bone_vector_loss, static_argnames=("skeleton", "delta"))
EXTENT = jax.jit(lifting.bone_extent_loss, static_argnames="skeleton")
PLANE = jax.jit(lifting.plane_loss)


def all_valid(xyz):
    return jnp.ones(xyz.shape[:-1], dtype=bool)


def test_bones_do_not_see_where_the_pose_is_and_count_both_ends():
    xyz = poses(shape=(15,))
    value = BONES(xyz, xyz + 0.7, skeleton=ITOP, valid=all_valid(xyz)).mean()
    np.testing.assert_allclose(value, 0.0, atol=1e-5)
    # A leaf 0.03 aside with delta 0.04: a 3-4-5 triangle, in one bone of all.
    leaf = ITOP.index("left_foot")
    moved = xyz.at[leaf, 0].add(0.03)
    value = BONES(moved, xyz, skeleton=ITOP, valid=all_valid(xyz), delta=0.04).mean()
    np.testing.assert_allclose(value, 0.01 / len(ITOP.bones), rtol=1e-3)


def test_bones_of_unknown_joints_change_nothing_even_if_nan():
    xyz, target = poses(shape=(15,)), poses(1, shape=(15,))
    valid = all_valid(xyz).at[3].set(False)
    dirty = target.at[3].set(jnp.nan)
    clean = BONES(xyz, target, skeleton=ITOP, valid=valid)
    chex.assert_trees_all_close(BONES(xyz, dirty, skeleton=ITOP, valid=valid), clean)
    grad = jax.jit(
        jax.grad(lambda x: BONES(x, dirty, skeleton=ITOP, valid=valid).mean())
    )(xyz)
    chex.assert_tree_all_finite(grad)
    np.testing.assert_array_equal(grad[3], 0.0)


def test_plane_distance_is_squared_and_weighted_by_confidence():
    plane = jnp.array([[0.3, 0.4], [0.0, 0.2], [5.0, 5.0]])
    observed = jnp.zeros((3, 2)).at[2].set(jnp.nan)
    found = PLANE(plane, observed, confidence=jnp.array([1.0, 0.5, 0.0]))
    np.testing.assert_allclose(found.mean(), (0.25 + 0.5 * 0.04) / 1.5, rtol=1e-5)


def test_extent_of_bones_has_no_sign_and_ignores_unseen_ends():
    plane = poses(shape=(15,))[..., :2]
    seen = jnp.ones(15)
    mirrored = EXTENT(-plane, plane, skeleton=ITOP, confidence=seen).mean()
    np.testing.assert_allclose(mirrored, 0.0, atol=1e-6)
    wide = EXTENT(2.0 * plane, plane, skeleton=ITOP, confidence=seen).mean()
    children, parents = np.array(ITOP.bones).T
    spans = np.asarray(plane)[children] - np.asarray(plane)[parents]
    np.testing.assert_allclose(wide, (spans**2).sum(-1).mean(), rtol=1e-5)
    hidden = plane.at[3].set(jnp.nan)
    value = EXTENT(plane, hidden, skeleton=ITOP, confidence=seen.at[3].set(0.0)).mean()
    np.testing.assert_allclose(value, 0.0, atol=1e-6)


def test_projections_without_confidence_give_no_nan_gradient():
    plane = poses(shape=(15,))[..., :2].at[3].set(jnp.nan)
    sure = jnp.ones(15).at[3].set(0.0)
    for term in (PLANE, functools.partial(EXTENT, skeleton=ITOP)):
        gradient = jax.grad(lambda x, t=term: t(x, 0.5 * x, confidence=sure).mean())(
            plane
        )
        assert np.isfinite(gradient).all()
        np.testing.assert_array_equal(gradient[3], 0.0)
