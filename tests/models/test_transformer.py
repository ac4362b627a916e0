import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models.test_backbones import random_parameters
from unipose_jax.models import transformer

TOKENS = jax.random.normal(jax.random.key(0), (2, 5, 8))


@pytest.fixture(scope="module")
def block():
    network = transformer.Block(num_heads=2)
    params = random_parameters(network, TOKENS)
    return jax.jit(network.apply), params


def normalized(x, norm):
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    return centred / scale * norm["scale"] + norm["bias"]


def dense(x, layer):
    return x @ layer["kernel"] + layer["bias"]


def test_block_equals_a_slow_reference(block):
    apply, params = block
    p = jax.tree.map(lambda x: np.asarray(x, np.float64), params["params"])
    for clip, found in zip(np.asarray(TOKENS), apply(params, TOKENS), strict=True):
        y = normalized(clip, p["LayerNorm_0"])
        query, key, value = (dense(y, p[n]) for n in ("query", "key", "value"))
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            score = np.exp(query[:, head] @ key[:, head].T / 2.0)  # sqrt of 4 features
            heads.append(score / score.sum(-1, keepdims=True) @ value[:, head])
        x = clip + dense(np.concatenate(heads, -1), p["attended"])
        y = dense(normalized(x, p["LayerNorm_1"]), p["wide"])
        y = np.asarray(jax.nn.gelu(y))
        np.testing.assert_allclose(found, x + dense(y, p["narrow"]), rtol=1e-4)


def test_order_of_tokens_does_not_matter(block):
    apply, params = block
    order = np.array([3, 0, 4, 1, 2])
    found = apply(params, TOKENS[:, order])
    np.testing.assert_allclose(found, apply(params, TOKENS)[:, order], atol=1e-5)


def test_inactive_tokens_do_not_change_other_tokens(block):
    apply, params = block
    active = jnp.ones((2, 5), bool).at[:, 3].set(False)
    found = apply(params, TOKENS.at[:, 3].set(7.0), active)
    kept = np.array([0, 1, 2, 4])
    expected = apply(params, TOKENS[:, kept])
    np.testing.assert_allclose(found[:, kept], expected, atol=1e-5)


def test_features_of_the_last_tokens_alone_are_the_same(block):
    _, params = block
    active = jnp.ones((2, 5), bool).at[:, 1].set(False)
    network = transformer.Block(num_heads=2)
    whole = network.apply(params, TOKENS, active)
    found = network.apply(params, TOKENS, active, last=2)
    assert found.shape == (2, 2, 8)
    np.testing.assert_allclose(found, whole[:, 3:], atol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_and_its_gradient_equal_those_of_jax(masked):
    keys = jax.random.split(jax.random.key(1), 4)
    inputs = [3.0 * jax.random.normal(key, (2, 5, 2, 4)) for key in keys[:3]]
    active = jnp.array([[True, False, True, True, False], [False] * 5])

    def ours(*inputs):
        return transformer.attend(*inputs, active if masked else None)

    def jax_own(*inputs):
        mask = active[:, None, None] if masked else None
        return jax.nn.dot_product_attention(*inputs, mask=mask)

    def gradients(attend):
        # A clip without an active token has no meaning, and no effect on a loss.
        used = 1 if masked else 2
        turned = jax.random.normal(keys[3], (2, 5, 2, 4)).at[used:].set(0.0)
        return jax.grad(lambda *x: jnp.sum(attend(*x) * turned), (0, 1, 2))(*inputs)

    np.testing.assert_allclose(ours(*inputs), jax_own(*inputs), atol=1e-5)
    for found, expected in zip(gradients(ours), gradients(jax_own), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)
