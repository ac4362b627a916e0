import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
