import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax.losses import agreement

ONE = jnp.array([[[0.0, 0.0, 2.0], [0.1, 0.0, 2.0]]])


def loss(a, b, sure, other_sure, delta=0.05):
    return agreement.cross_modal_loss(
        a, b, confidence=sure, other_confidence=other_sure, delta=delta
    ).mean()


def test_known_distance_weighed_by_both_confidences():
    other = ONE.at[0, 0, 0].add(0.3).at[0, 1, 1].add(0.04)
    sure, other_sure = jnp.array([[0.5, 1.0]]), jnp.array([[0.8, 0.2]])
    penalty = 0.05 * (np.sqrt(1 + (np.array([0.3, 0.04]) / 0.05) ** 2) - 1)
    expected = (0.4 * penalty[0] + 0.2 * penalty[1]) / 0.6
    np.testing.assert_allclose(loss(ONE, other, sure, other_sure), expected, rtol=1e-5)


def test_both_predictions_are_pulled_and_no_confidence_is():
    other, sure = ONE + 0.1, jnp.full((1, 2), 0.7)
    gradients = jax.grad(loss, argnums=(0, 1, 2, 3))(ONE, other, sure, sure)
    np.testing.assert_allclose(gradients[0], -gradients[1], rtol=1e-6)
    assert (np.asarray(gradients[0]) < 0).all()  # downhill is towards the other
    for gradient in gradients[2:]:
        np.testing.assert_array_equal(gradient, 0.0)


def test_what_was_not_looked_at_does_not_pull():
    other, blind = ONE + 0.1, jnp.zeros((1, 2))
    value, gradient = jax.value_and_grad(loss)(ONE, other, blind, jnp.ones((1, 2)))
    assert float(value) == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


def test_a_prediction_without_confidence_gives_no_nan_gradient():
    other = ONE.at[0, 1].set(jnp.nan)
    sure = jnp.array([[1.0, 0.0]])
    arguments = (ONE + 0.1, other, jnp.ones((1, 2)), sure)
    gradients = jax.grad(loss, argnums=(0, 1))(*arguments)
    for gradient in gradients:
        assert np.isfinite(gradient).all()
        np.testing.assert_array_equal(gradient[0, 1], 0.0)
