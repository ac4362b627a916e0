import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.losses import ranking

SKELETON = skeleton.Skeleton("chain", ("nose", "neck", "pelvis"), (-1, 0, 1))


@jax.jit
def loss(a, b, label, valid=None):
    valid = jnp.ones(a.shape, bool) if valid is None else valid
    return ranking.ranking_loss(
        a, b, label=label, weight=jnp.ones(a.shape), valid=valid
    ).mean()


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


def test_bones_between_joints_are_counted():
    steps = ranking.bones_between(SKELETON)
    np.testing.assert_array_equal(steps, [[0, 1, 2], [1, 0, 1], [2, 1, 0]])


draw = jax.jit(
    functools.partial(ranking.sample_pairs, num_classes=60, count=4_000),
)


def test_pairs_are_drawn_from_each_class_equally_often():
    labelled = jnp.zeros((6, 6), bool).at[0, 3:].set(True).at[3, 0].set(True)
    label = jnp.zeros((6, 6), int).at[0, 3:].set(1).at[3, 0].set(-1)
    classes = ranking.pair_classes(label, skeleton=SKELETON)
    first, second, valid = draw(jax.random.key(0), labelled, classes=classes)
    assert valid.all()
    assert labelled[first, second].all()
    shares = np.unique(classes[first, second], return_counts=True)[1] / 4_000
    np.testing.assert_allclose(shares, 0.25, atol=0.03)  # 4 sigma of 4,000 draws


def test_without_labelled_pairs_there_is_nothing_to_draw():
    none = jnp.zeros((6, 6), bool)
    classes = ranking.pair_classes(jnp.zeros((6, 6), int), skeleton=SKELETON)
    first, second, valid = draw(jax.random.key(0), none, classes=classes)
    assert not valid.any()
    assert (first < 6).all()
    assert (second < 6).all()


def test_classes_stay_below_their_number():
    label = jnp.ones((6, 6), int)
    classes = ranking.pair_classes(label, skeleton=SKELETON)
    assert 0 <= classes.min()
    assert classes.max() < ranking.num_classes(2)
