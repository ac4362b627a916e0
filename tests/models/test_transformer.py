import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models.test_image_net import random_parameters
from unipose_jax.models import patch_transformer, transformer

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


def test_tokens_that_are_not_active_are_seen_by_nobody(block):
    apply, params = block
    active = jnp.ones((2, 5), bool).at[:, 3].set(False)
    found = apply(params, TOKENS.at[:, 3].set(7.0), active)
    kept = np.array([0, 1, 2, 4])
    expected = apply(params, TOKENS[:, kept])
    np.testing.assert_allclose(found[:, kept], expected, atol=1e-5)


def test_places_are_counted_from_the_middle():
    places = np.asarray(patch_transformer.encoded_places(2, 4))
    assert places.shape == (1, 8, 18)
    # The last two: (column, row) from the middle, in eighths.
    np.testing.assert_allclose(places[0, 0, -2:], [-1.5 / 8, -0.5 / 8])
    np.testing.assert_allclose(places[0, 7, -2:], [1.5 / 8, 0.5 / 8])
    assert len(np.unique(places[0], axis=0)) == 8


def test_a_patch_reads_its_own_pixels_only():
    """Without blocks, a pixel changes the token of its patch and no other."""
    network = patch_transformer.PatchTransformer(
        patch=4, width=8, num_blocks=0, num_heads=2
    )
    images = jax.random.normal(jax.random.key(1), (1, 8, 12, 2))
    params = random_parameters(network, images)
    seen = network.apply(params, images)[1]
    changed = network.apply(params, images.at[0, 5, 9].add(1.0))[1]
    different = np.any(np.asarray(seen != changed)[0], axis=-1)
    np.testing.assert_array_equal(different, [[False] * 3, [False, False, True]])
