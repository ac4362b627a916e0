"""Random views of pictures of several people: mirrored, and in another light."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from unipose_jax import skeleton


def seen_anew(
    key: jax.Array,
    example: Mapping[str, jax.Array],
    *,
    config: ml_collections.ConfigDict,
    skeleton: skeleton.Skeleton,
) -> dict[str, jax.Array]:
    """One picture as a network is shown it; `vmap` over keys and examples for more.

    Who is nearer does not change in a mirror, nor with the light.

    Args:
        key: random key.
        example: `picture`, `people_uv`, `people_confidence`, and others, which stay.
        config: `mirror`, and `contrast` and `tint`, largest changes.
        skeleton: of the people.
    """
    draw = jax.random.uniform(key, (5,))
    turned = (draw[0] < 0.5) & config.mirror
    picture, uv = example["picture"], example["people_uv"]
    confidence = example["people_confidence"]
    width, sides = picture.shape[1], np.array(skeleton.mirror)
    flipped = jnp.stack([width - uv[..., 0], uv[..., 1]], axis=-1)
    picture = jnp.where(turned, picture[:, ::-1], picture)
    gain = 1.0 + config.contrast * (2.0 * draw[1] - 1.0)
    tint = gain * (1.0 + config.tint * (2.0 * draw[2:] - 1.0))
    lit = picture.astype(jnp.float32) * tint.reshape(1, 1, 3)
    return dict(example) | {
        "picture": jnp.clip(lit, 0.0, 255.0).astype(jnp.uint8),
        "people_uv": jnp.where(turned, flipped[:, sides], uv),
        "people_confidence": jnp.where(turned, confidence[:, sides], confidence),
    }
