import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import losses

LOSS = jax.jit(losses.binary_cross_entropy)


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_matches_the_definition(target):
    probability = 0.8
    logit = jnp.array([np.log(probability / (1 - probability))])
    expected = -target * np.log(0.8) - (1 - target) * np.log(0.2)
    np.testing.assert_allclose(LOSS(logit, jnp.array([target])), [expected], rtol=1e-5)


def test_is_smallest_at_the_target():
    logit = jnp.array([jnp.log(0.3 / 0.7)])
    slope = jax.grad(lambda x: LOSS(x, jnp.array([0.3])).sum())(logit)
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)


def test_is_finite_for_large_logits_and_zero_outside_the_mask():
    logits = jnp.array([200.0, -200.0, jnp.nan])
    targets = jnp.array([0.0, 1.0, jnp.nan])
    where = jnp.array([True, True, False])
    found = LOSS(logits, targets, where=where)
    np.testing.assert_allclose(found, [200.0, 200.0, 0.0])

    def total(logits, targets):
        return LOSS(logits, targets, where=where).sum()

    by_logit, by_target = jax.grad(total, argnums=(0, 1))(logits, targets)
    np.testing.assert_allclose(by_logit, [1.0, -1.0, 0.0], atol=1e-6)
    np.testing.assert_array_equal(by_target, 0.0)


def test_vmap_equals_batched_equals_jit():
    keys = jax.random.split(jax.random.key(8), 3)
    logits = jax.random.normal(keys[0], (3, 7))
    targets, draw = (jax.random.uniform(key, (3, 7)) for key in keys[1:])

    def apply(logits, targets, where):
        return losses.binary_cross_entropy(logits, targets, where=where)

    batched = jax.jit(apply)(logits, targets, draw > 0.2)
    mapped = jax.jit(jax.vmap(apply))(logits, targets, draw > 0.2)
    chex.assert_trees_all_close(mapped, batched, rtol=1e-5)
