import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import numerics

TINY_TO_HUGE = [0.0, 1e-38, 1e-20, 1e-18, 1e-15, 2e-12, 1e-6, 1.0, 1e6]


def test_safe_norm_matches_hand_computed_lengths():
    vectors = jnp.array([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0], [2.0, -3.0, 6.0]])
    np.testing.assert_allclose(numerics.safe_norm(vectors), [5.0, 0.0, 7.0])
    kept = numerics.safe_norm(vectors.T, axis=0, keepdims=True)
    np.testing.assert_allclose(kept, [[5.0, 0.0, 7.0]])


@pytest.mark.parametrize("x", TINY_TO_HUGE)
def test_safe_norm_has_a_finite_gradient(x):
    chex.assert_tree_all_finite(jax.grad(numerics.safe_norm)(jnp.array([x, 0.0, x])))


def test_safe_norm_has_unit_gradient_along_the_vector():
    gradient = jax.grad(numerics.safe_norm)(jnp.array([0.0, 3.0, -4.0]))
    np.testing.assert_allclose(gradient, [0.0, 0.6, -0.8], rtol=1e-6)
    zero = jax.grad(numerics.safe_norm)(jnp.zeros(3))
    np.testing.assert_array_equal(zero, 0.0)


def test_safe_normalize_gives_unit_vectors_and_keeps_zero():
    vectors = jnp.array([[0.0, 3.0, -4.0], [0.0, 0.0, 0.0]])
    unit = numerics.safe_normalize(vectors)
    np.testing.assert_allclose(unit, [[0, 0.6, -0.8], [0, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(numerics.safe_normalize(vectors.T, axis=0), unit.T)


@pytest.mark.parametrize("x", TINY_TO_HUGE)
def test_safe_normalize_has_a_finite_gradient(x):
    jacobian = jax.jacobian(numerics.safe_normalize)(jnp.array([x, 0.0, 0.0]))
    chex.assert_tree_all_finite(jacobian)


def test_safe_divide_falls_back_with_zero_gradient():
    def quotient(a, b):
        return numerics.safe_divide(a, b, fallback=-1.0)

    np.testing.assert_allclose(quotient(jnp.array(6.0), jnp.array(3.0)), 2.0)
    np.testing.assert_allclose(quotient(jnp.array(6.0), jnp.array(0.0)), -1.0)
    gradient = jax.grad(quotient, argnums=(0, 1))(jnp.array(6.0), jnp.array(0.0))
    np.testing.assert_array_equal(gradient, (0.0, 0.0))
    gradient = jax.grad(quotient, argnums=(0, 1))(jnp.array(6.0), jnp.array(-2.0))
    np.testing.assert_allclose(gradient, (-0.5, -1.5))


@pytest.mark.parametrize("x", [-1.0, -0.5, 0.0, 0.3, 1.0])
def test_safe_arccos_is_exact_with_a_bounded_gradient(x):
    np.testing.assert_allclose(
        numerics.safe_arccos(jnp.array(x)), np.arccos(x), atol=1e-6
    )
    slope = jax.grad(numerics.safe_arccos)(jnp.array(x))
    expected = -1000.0 if abs(x) == 1.0 else -1.0 / np.sqrt(1.0 - x * x)
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


@pytest.mark.parametrize(("x", "angle"), [(1.0001, 0.0), (-1.0001, np.pi)])
def test_safe_arccos_ignores_what_rounding_pushed_outside(x, angle):
    np.testing.assert_allclose(numerics.safe_arccos(jnp.array(x)), angle, atol=1e-6)
    assert jax.grad(numerics.safe_arccos)(jnp.array(x)) == 0.0


@pytest.mark.parametrize("angle", [0.0, 1e-4, 1e-3, 0.5, np.pi / 2, 3.0, np.pi])
def test_angle_between_is_accurate_up_to_the_ends(angle):
    a = jnp.array([2.0, 0.0, 0.0])
    b = 0.3 * jnp.array([np.cos(angle), np.sin(angle), 0.0], jnp.float32)
    np.testing.assert_allclose(numerics.angle_between(a, b), angle, atol=5e-7)


@pytest.mark.parametrize(
    ("a", "b"),
    [((0, 0, 0), (1, 0, 0)), ((1, 0, 0), (2, 0, 0)), ((1, 0, 0), (-1, 0, 0))]
    + [((x, 0, 0), (0, x, 0)) for x in TINY_TO_HUGE],
)
def test_angle_between_has_a_finite_gradient_where_it_degenerates(a, b):
    a, b = jnp.array(a, jnp.float32), jnp.array(b, jnp.float32)
    gradient = jax.grad(numerics.angle_between, argnums=(0, 1))(a, b)
    chex.assert_tree_all_finite((numerics.angle_between(a, b), gradient))


def test_angle_between_ignores_lengths_and_rotations():
    a, b = jax.random.normal(jax.random.key(0), (2, 20, 3))
    angle = numerics.angle_between(a, b)
    np.testing.assert_allclose(
        numerics.angle_between(7.0 * a, 0.1 * b), angle, rtol=1e-5
    )
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turn = jnp.asarray(turn, jnp.float32)
    # 1e-5: float32 rotations move angles by their rounding.
    np.testing.assert_allclose(
        numerics.angle_between(a @ turn, b @ turn), angle, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    "function",
    [
        numerics.safe_norm,
        numerics.safe_normalize,
        numerics.safe_arccos,
        lambda x: numerics.safe_divide(jnp.ones_like(x), x),
        lambda x: numerics.angle_between(x, jnp.ones_like(x)),
    ],
)
def test_nan_is_never_hidden(function):
    assert bool(jnp.isnan(function(jnp.array([jnp.nan, 0.0, 0.0]))).any())


def test_pseudo_huber_matches_hand_computed_value():
    # Distance 3 cm, delta 4 cm: a 3-4-5 triangle.
    value = numerics.pseudo_huber(jnp.array(0.03**2), delta=0.04)
    np.testing.assert_allclose(value, 0.05 - 0.04, rtol=1e-6)


def test_pseudo_huber_is_quadratic_near_zero_and_linear_far_away():
    near = numerics.pseudo_huber(jnp.array(1e-12), delta=0.05)
    np.testing.assert_allclose(near, 1e-12 / 0.1, rtol=1e-5)
    far = numerics.pseudo_huber(jnp.array(1e6), delta=0.05)
    np.testing.assert_allclose(far, 1e3 - 0.05, rtol=1e-6)


def test_geman_mcclure_is_half_at_its_scale_and_one_far_away():
    sq = jnp.array([0.0, 0.1**2, 0.3**2, 1e12])
    value = numerics.geman_mcclure(sq, scale=0.1)
    np.testing.assert_allclose(value, [0.0, 0.5, 0.9, 1.0], rtol=1e-6)


@pytest.mark.parametrize("x", TINY_TO_HUGE)
@pytest.mark.parametrize(
    "penalty",
    [
        lambda sq: numerics.pseudo_huber(sq, delta=0.05),
        lambda sq: numerics.geman_mcclure(sq, scale=0.05),
    ],
)
def test_penalties_have_finite_gradients(penalty, x):
    value, slope = jax.value_and_grad(lambda y: penalty(y**2))(jnp.array(x))
    chex.assert_tree_all_finite((value, slope))
    assert slope >= 0.0


@pytest.mark.parametrize(
    "function",
    [numerics.safe_norm, numerics.safe_normalize, numerics.safe_arccos]
    + [lambda x: numerics.angle_between(x, x[..., ::-1])]
    + [lambda x: numerics.safe_divide(x, x**3)]
    + [lambda x: numerics.pseudo_huber(x**2, delta=0.1)]
    + [lambda x: numerics.geman_mcclure(x**2, scale=0.1)],
)
def test_vmap_equals_batched_equals_jit(function):
    x = jax.random.normal(jax.random.key(3), (4, 5, 3))
    chex.assert_trees_all_close(
        function(x), jax.jit(jax.vmap(function))(x), jax.jit(function)(x), rtol=1e-5
    )


def test_filling_replaces_masked_entries_and_stops_their_gradient():
    x = jnp.array([[1.0, 2.0], [jnp.nan, 3.0]])
    where = jnp.array([True, False])
    np.testing.assert_array_equal(numerics.fill_masked(x, where), [[1, 2], [0, 0]])
    filled = numerics.fill_masked(x, where, fill=5.0)
    np.testing.assert_array_equal(filled, [[1, 2], [5, 5]])
    assert numerics.fill_masked(x, None) is x
    grad = jax.grad(lambda x: jnp.sum(numerics.fill_masked(x, where) ** 2))(x)
    np.testing.assert_array_equal(grad, [[2, 4], [0, 0]])


def test_scaling_a_gradient_keeps_the_value():
    x = jnp.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    weights = jnp.array([0.25, 0.0])
    np.testing.assert_array_equal(numerics.scale_gradient(x, weights), x)

    def total(x, weights):
        return jnp.sum(numerics.scale_gradient(x, weights) ** 2)

    by_x, by_weights = jax.grad(total, argnums=(0, 1))(x, weights)
    np.testing.assert_allclose(by_x, 2.0 * weights[:, None] * x)
    np.testing.assert_array_equal(by_weights, 0.0)
