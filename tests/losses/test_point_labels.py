import chex
import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax import losses

loss = jax.jit(losses.categorical_cross_entropy)


def logits(seed=0):
    return 3.0 * jax.random.normal(jax.random.key(seed), (2, 5, 4))


LABELS = jnp.array([[0, 1, 2, 3, 0], [3, 3, 1, 0, 2]])


def test_matches_hand_computed_probabilities():
    # Probabilities 1/6, 2/6, 3/6 of three classes.
    rows = jnp.log(jnp.array([[1.0, 2.0, 3.0]] * 3)) + 5.0
    value = loss(rows, jnp.array([0, 1, 2]))
    np.testing.assert_allclose(value, np.log([6.0, 3.0, 2.0]), rtol=1e-5)


def test_is_smallest_where_the_label_is_certain():
    sure = 30.0 * jax.nn.one_hot(LABELS, 4)
    np.testing.assert_allclose(loss(sure, LABELS), 0.0, atol=1e-6)
    assert (loss(sure, (LABELS + 1) % 4) > 29.0).all()


def test_the_gradient_is_the_error_of_the_probability():
    grad = jax.grad(lambda x: loss(x, LABELS).sum())(logits())
    expected = jax.nn.softmax(logits()) - jax.nn.one_hot(LABELS, 4)
    np.testing.assert_allclose(grad, expected, atol=1e-6)


def test_renaming_the_classes_changes_nothing():
    order = np.array([2, 0, 3, 1])
    renamed = loss(logits()[..., order], jnp.asarray(np.argsort(order))[LABELS])
    np.testing.assert_allclose(renamed, loss(logits(), LABELS), rtol=1e-5)


def test_points_without_a_label_give_zero_and_no_gradient_even_if_nan():
    where = jnp.ones((2, 5), bool).at[:, ::2].set(False)
    dirty = jnp.where(where[..., None], logits(), jnp.nan)
    labels = jnp.where(where, LABELS, -1).astype(jnp.int8)
    found = loss(dirty, labels, where=where)
    np.testing.assert_array_equal(found[:, ::2], 0.0)
    np.testing.assert_allclose(found[:, 1::2], loss(logits(), LABELS)[:, 1::2])
    grad = jax.grad(lambda x: loss(x, labels, where=where).sum())(dirty)
    chex.assert_tree_all_finite(grad)
    np.testing.assert_array_equal(grad[:, ::2], 0.0)


def test_gradient_is_finite_for_extreme_logits():
    for scale in (0.0, 1e3, 1e30):
        grad = jax.grad(lambda x: loss(x, LABELS).sum())(scale * logits())
        chex.assert_tree_all_finite(grad)


def test_vmap_equals_the_batch():
    each = jax.vmap(losses.categorical_cross_entropy)(logits(), LABELS)
    np.testing.assert_allclose(each, loss(logits(), LABELS), rtol=1e-6)
