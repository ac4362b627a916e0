import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import losses, skeleton

LOSS = jax.jit(losses.joint_position, static_argnames="delta")


loss = LOSS


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


def test_masked_joints_give_zero_and_no_gradient_even_if_nan():
    where = jnp.ones((2, 5), dtype=bool).at[:, ::2].set(False)
    targets = jnp.where(where[..., None], poses(1), jnp.nan)
    xyz = jnp.where(where[..., None], poses(), jnp.nan)
    found = loss(xyz, targets, where=where)
    np.testing.assert_array_equal(found[:, ::2], 0.0)
    chex.assert_trees_all_close(found[:, 1::2], loss(poses(), poses(1))[:, 1::2])
    grad = jax.jit(jax.grad(lambda x: loss(x, targets, where=where).mean()))(xyz)
    chex.assert_tree_all_finite(grad)
    np.testing.assert_array_equal(grad[:, ::2], 0.0)


def test_labels_take_no_gradient():
    grad = jax.jit(jax.grad(lambda t: loss(poses(), t).mean()))(poses(1))
    np.testing.assert_array_equal(grad, 0.0)


def test_vmap_equals_batched_equals_jit():
    batched = loss(poses(), poses(1))
    mapped = jax.jit(jax.vmap(loss))(poses(), poses(1))
    chex.assert_trees_all_close(mapped, batched, rtol=1e-5)


ITOP = skeleton.ITOP15
BONES = jax.jit(losses.bone_vector, static_argnames=("skeleton", "delta"))


def test_bone_vectors_do_not_depend_on_the_place_of_the_pose():
    xyz = poses(shape=(15,))
    np.testing.assert_allclose(BONES(xyz, xyz + 0.7, skeleton=ITOP), 0.0, atol=1e-5)


def test_bone_vectors_match_hand_computed_distance():
    # A leaf 0.03 aside with delta 0.04: a 3-4-5 triangle, in its own bone alone.
    xyz = poses(shape=(15,))
    moved = xyz.at[ITOP.index("left_foot"), 0].add(0.03)
    expected = np.zeros(14)
    expected[ITOP.bone_names.index("left_knee-left_foot")] = 0.01
    found = BONES(moved, xyz, skeleton=ITOP, delta=0.04)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-8)


def test_bones_of_masked_joints_give_zero_even_if_nan():
    xyz, targets = poses(shape=(15,)), poses(1, shape=(15,))
    where = jnp.ones(15, bool).at[3].set(False)
    dirty = targets.at[3].set(jnp.nan)
    found = BONES(xyz, dirty, skeleton=ITOP, where=where)
    child, parent = np.array(ITOP.bones).T
    expected = np.asarray(BONES(xyz, targets, skeleton=ITOP))
    expected = np.where((child == 3) | (parent == 3), 0.0, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    grad = jax.jit(
        jax.grad(lambda x: BONES(x, dirty, skeleton=ITOP, where=where).mean())
    )(xyz.at[3].set(jnp.nan))
    chex.assert_tree_all_finite(grad)
    np.testing.assert_array_equal(grad[3], 0.0)


CROSS = jax.jit(losses.cross_modal, static_argnames="delta")


def test_cross_modal_matches_hand_computed_distance():
    other = poses().at[0, 0, 0].add(0.3).at[1, 2, 1].add(0.04)
    expected = np.zeros((2, 5))
    expected[0, 0] = 0.05 * (np.sqrt(1 + (0.3 / 0.05) ** 2) - 1)
    expected[1, 2] = 0.05 * (np.sqrt(1 + (0.04 / 0.05) ** 2) - 1)
    np.testing.assert_allclose(CROSS(poses(), other), expected, rtol=1e-4)


def test_cross_modal_moves_both_predictions():
    grads = jax.grad(lambda a, b: CROSS(a, b).sum(), argnums=(0, 1))(
        poses(), poses() + 0.1
    )
    np.testing.assert_allclose(grads[0], -grads[1], rtol=1e-6)
    assert (np.asarray(grads[0]) < 0).all()  # downhill is towards the other


def test_cross_modal_masks_predictions_of_one_modality_even_if_nan():
    where = jnp.ones((2, 5), bool).at[0, 1].set(False)
    other = (poses() + 0.1).at[0, 1].set(jnp.nan)

    def total(a, b):
        return CROSS(a, b, where=where).sum()

    grads = jax.grad(total, argnums=(0, 1))(poses(), other)
    chex.assert_tree_all_finite((total(poses(), other), grads))
    for grad in grads:
        np.testing.assert_array_equal(grad[0, 1], 0.0)
        assert (grad[1] != 0.0).all()
