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
