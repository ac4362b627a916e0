import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import reduction
from unipose_jax.train import objective

TERMS = {
    "ray": reduction.WeightedMean(jnp.array(6.0), jnp.array(3.0)),
    "surface": reduction.WeightedMean(jnp.array(5.0), jnp.array(10.0)),
    "empty": reduction.WeightedMean(jnp.array(0.0), jnp.array(0.0)),
}


def test_total_is_the_weighted_sum_of_means():
    value = objective.weighted_sum(TERMS, {"ray": 2.0, "surface": 0.1, "empty": 7.0})
    np.testing.assert_allclose(value, 2.0 * 2.0 + 0.1 * 0.5)


def test_terms_without_weight_add_nothing():
    np.testing.assert_allclose(objective.weighted_sum(TERMS, {"surface": 1.0}), 0.5)
    np.testing.assert_allclose(objective.weighted_sum(TERMS, {}), 0.0)


def test_weights_may_be_traced():
    ramp = jax.jit(lambda w: objective.weighted_sum(TERMS, {"ray": w}))
    np.testing.assert_allclose(ramp(0.25), 0.5)


@pytest.mark.parametrize(
    "function",
    [
        objective.weighted_sum,
        functools.partial(objective.device_share, axis_name="device"),
    ],
)
def test_a_misspelt_weight_is_named_with_the_choices(function):
    with pytest.raises(ValueError, match=r"'rya'.*'empty', 'ray', 'surface'"):
        function(TERMS, {"rya": 1.0})


def make_batch():
    values = jax.random.normal(jax.random.key(0), (4, 6))
    # Devices hold 0, 1, 6 and 3 visible joints.
    mask = jnp.arange(6)[None] < jnp.array([[0], [1], [6], [3]])
    return values, mask


def terms_of(scale, values, mask):
    weight = jnp.ones_like(values)
    return {
        "square": reduction.weighted_mean((scale * values) ** 2, weight, mask),
        "linear": reduction.weighted_mean(scale * values, 2.0 * weight, mask),
    }


WEIGHTS = {"square": 0.5, "linear": 2.0}


def test_shares_and_gradients_of_devices_add_to_those_of_the_whole():
    values, mask = make_batch()

    def whole(scale):
        return objective.weighted_sum(terms_of(scale, values, mask), WEIGHTS)

    def share(scale, values, mask):
        terms = terms_of(scale, values, mask)
        return objective.device_share(terms, WEIGHTS, "device")

    step = jax.pmap(
        lambda *a: jax.lax.psum(jax.value_and_grad(share)(*a), "device"),
        axis_name="device",
        in_axes=(None, 0, 0),
    )
    value, grad = step(jnp.array(1.3), values, mask)
    np.testing.assert_allclose(value, np.full(4, whole(1.3)), rtol=1e-5)
    np.testing.assert_allclose(grad, np.full(4, jax.grad(whole)(1.3)), rtol=1e-5)


def test_weights_that_depend_on_parameters_take_no_gradient_in_the_divisor():
    def terms(weight):
        mask = jnp.ones(2, dtype=bool)
        return {"a": reduction.weighted_mean(jnp.array([1.0, 3.0]), weight, mask)}

    def share(weight):
        return objective.device_share(terms(weight), {"a": 1.0}, "device")

    def whole(weight):
        return objective.weighted_sum(terms(weight), {"a": 1.0})

    shared = jax.pmap(jax.grad(share), axis_name="device")(jnp.ones((1, 2)))
    np.testing.assert_allclose(shared, [[0.5, 1.5]], rtol=1e-6)
    np.testing.assert_allclose(jax.grad(whole)(jnp.ones(2)), [0.5, 1.5], rtol=1e-6)


def test_nothing_visible_anywhere_is_zero_with_zero_gradient():
    values = make_batch()[0]

    def share(scale, values):
        terms = terms_of(scale, values, jnp.zeros(6, dtype=bool))
        return objective.device_share(terms, WEIGHTS, "device")

    step = jax.pmap(jax.value_and_grad(share), axis_name="device", in_axes=(None, 0))
    value, grad = step(jnp.array(1.0), values)
    np.testing.assert_array_equal(value, 0.0)
    np.testing.assert_array_equal(grad, 0.0)
