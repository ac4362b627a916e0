import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import losses, reduction


@jax.jit
def loss(a, b, label, where=None):
    penalty = losses.pairwise_ranking(a, b, label, where=where)
    return reduction.weighted_mean(penalty, where=where).mean()


@pytest.mark.parametrize(
    ("label", "expected"),
    [(1, np.log(1 + np.exp(-2.0))), (-1, np.log(1 + np.exp(2.0))), (0, 4.0)],
)
def test_matches_values_by_hand(label, expected):
    value = loss(jnp.array([1.0]), jnp.array([3.0]), jnp.array([label]))
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_matches_a_slow_reference():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50)).astype("f4")
    label = rng.integers(-1, 2, 50)
    valid = rng.uniform(size=50) < 0.7
    terms = [
        (z - w) ** 2 if r == 0 else np.log1p(np.exp(-r * (w - z)))
        for z, w, r, v in zip(a, b, label, valid, strict=True)
        if v
    ]
    value = loss(jnp.array(a), jnp.array(b), jnp.array(label), jnp.array(valid))
    np.testing.assert_allclose(value, np.mean(terms), rtol=1e-5)


def test_turned_pairs_cost_the_same_and_a_shift_nothing():
    a, b = jnp.array([0.3, 1.0, -2.0]), jnp.array([0.5, 0.0, 1.0])
    label = jnp.array([1, 0, -1])
    np.testing.assert_allclose(loss(b, a, -label), loss(a, b, label), rtol=1e-6)
    np.testing.assert_allclose(loss(a + 5, b + 5, label), loss(a, b, label), rtol=1e-5)


def test_invalid_pairs_change_nothing_even_if_nan():
    a, b = jnp.array([0.3, jnp.nan]), jnp.array([0.5, 0.0])
    label, valid = jnp.array([1, -1]), jnp.array([True, False])
    np.testing.assert_allclose(loss(a, b, label, valid), loss(a[:1], b[:1], label[:1]))
    grad = jax.jit(jax.grad(loss))(a, b, label, valid)
    chex.assert_tree_all_finite(grad)
    assert grad[1] == 0.0


@pytest.mark.parametrize("gap", [0.0, 1e-20, 1.0, 1e4])
@pytest.mark.parametrize("label", [-1, 0, 1])
def test_gradient_is_finite_and_pulls_the_right_way(gap, label):
    grad = jax.grad(loss)(jnp.array([gap]), jnp.zeros(1), jnp.array([label]))
    chex.assert_tree_all_finite(grad)
    assert np.sign(grad[0]) in ({0: 0, 1: 1, -1: -1}[label], np.sign(gap), 0)


def test_nothing_valid_costs_nothing():
    assert loss(jnp.ones(2), jnp.zeros(2), jnp.ones(2, int), jnp.zeros(2, bool)) == 0
