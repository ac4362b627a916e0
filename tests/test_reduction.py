import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import reduction


def test_matches_hand_computed_mean():
    values = jnp.array([1.0, 2.0, 6.0])
    result = reduction.weighted_mean(
        values, jnp.array([1.0, 3.0, 5.0]), jnp.array([True, True, False])
    )
    np.testing.assert_allclose(result.total, 7.0)
    np.testing.assert_allclose(result.weight, 4.0)
    np.testing.assert_allclose(result.mean(), 1.75)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_masked_values_and_weights_may_be_anything(bad):
    values = jnp.array([1.0, bad])
    weight = jnp.array([2.0, bad])
    result = reduction.weighted_mean(values, weight, jnp.array([True, False]))
    np.testing.assert_allclose(result.mean(), 1.0)


def test_nothing_weighted_has_mean_zero_and_zero_gradient():
    def mean(values):
        return reduction.weighted_mean(
            values, jnp.ones(3), jnp.zeros(3, dtype=bool)
        ).mean()

    value, grad = jax.value_and_grad(mean)(jnp.ones(3))
    np.testing.assert_array_equal(value, 0.0)
    np.testing.assert_array_equal(grad, 0.0)


def test_an_empty_mean_passes_no_nan_back():
    grad = jax.grad(lambda x: reduction.WeightedMean(x, jnp.zeros(())).mean())(2.0)
    np.testing.assert_array_equal(grad, 0.0)


def test_adding_parts_gives_the_mean_of_the_whole():
    values = jax.random.normal(jax.random.key(0), (8, 5))
    weight = jax.random.uniform(jax.random.key(1), (8, 5))
    mask = jax.random.bernoulli(jax.random.key(2), 0.6, (8, 5))
    whole = reduction.weighted_mean(values, weight, mask)
    parts = [
        reduction.weighted_mean(values[rows], weight[rows], mask[rows])
        for rows in (slice(0, 1), slice(1, 8))
    ]
    added = jax.tree.map(jnp.add, *parts)
    chex.assert_trees_all_close(added, whole, rtol=1e-5)


def test_psum_over_devices_gives_the_mean_of_the_whole():
    values = jax.random.normal(jax.random.key(0), (4, 5))
    mask = jnp.arange(20).reshape(4, 5) % 3 > 0
    whole = reduction.weighted_mean(values, jnp.ones((4, 5)), mask)

    def mean(values, mask):
        part = reduction.weighted_mean(values, jnp.ones(5), mask)
        return part.psum("device").mean()

    everywhere = jax.pmap(mean, axis_name="device")(values, mask)
    np.testing.assert_allclose(everywhere, np.full(4, whole.mean()), rtol=1e-5)


def test_keeping_the_last_axis_gives_one_mean_per_joint():
    values = jnp.array([[1.0, 2.0], [3.0, jnp.nan]])
    mask = jnp.array([[True, True], [True, False]])
    result = reduction.weighted_mean(values, jnp.ones((2, 2)), mask, keep_last=True)
    np.testing.assert_allclose(result.mean(), [2.0, 2.0])
    np.testing.assert_allclose(result.weight, [2.0, 1.0])


def test_a_single_value_needs_no_axis():
    result = reduction.weighted_mean(jnp.array(3.0), jnp.array(2.0), jnp.array(True))
    np.testing.assert_allclose(result.mean(), 3.0)


def test_two_means_add():
    a = reduction.WeightedMean(jnp.array(6.0), jnp.array(3.0))
    b = reduction.WeightedMean(jnp.array(2.0), jnp.array(1.0))
    chex.assert_trees_all_equal(
        a + b, reduction.WeightedMean(jnp.array(8.0), jnp.array(4.0))
    )
    with pytest.raises(TypeError):
        a + 1.0
