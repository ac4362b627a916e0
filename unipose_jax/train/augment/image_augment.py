"""Augmentation of images of several people: mirroring, zoom, shift, contrast, tint."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax import skeleton
from unipose_jax.train import settings


def augment_image(
    key: jax.Array,
    example: Mapping[str, jax.Array],
    *,
    config: settings.ImageAugmentation,
    skeleton: skeleton.Skeleton,
) -> dict[str, jax.Array]:
    """Augments one image; `vmap` over keys and examples for more.

    The depth order of the people does not change.

    Args:
        key: random key.
        example: `image`, `people_uv`, `people_confidence`; optional `people_depth` and
            `people_visible`, whose joints are permuted too; other fields do not change.
        config: `mirror`; the largest changes: `zoom`, a factor minus 1; `translation`,
            a share of the sides; `contrast` and `tint`.
        skeleton: of the people.
    """
    draw = jax.random.uniform(key, (8,))
    turned = (draw[0] < 0.5) & config.mirror
    picture, uv = example["image"], example["people_uv"]
    confidence = example["people_confidence"]
    width, sides = picture.shape[1], np.array(skeleton.mirror)
    flipped = jnp.stack([width - uv[..., 0], uv[..., 1]], axis=-1)
    picture = jnp.where(turned, picture[:, ::-1], picture)
    gain = 1.0 + config.contrast * (2.0 * draw[1] - 1.0)
    tint = gain * (1.0 + config.tint * (2.0 * draw[2:5] - 1.0))
    uv = jnp.where(turned, flipped[:, sides], uv)
    confidence = jnp.where(turned, confidence[:, sides], confidence)
    lit = picture.astype(jnp.float32) * tint.reshape(1, 1, 3)
    zoom = (1.0 + config.zoom) ** (2.0 * draw[5] - 1.0)
    lit, uv, confidence = _zoom_and_shift(
        lit, uv, confidence, zoom, config.translation * (2.0 * draw[6:] - 1.0)
    )
    sided = {
        name: jnp.where(turned, example[name][:, sides], example[name])
        for name in ("people_depth", "people_visible")
        if name in example
    }
    return (
        dict(example)
        | sided
        | {
            "image": jnp.clip(lit, 0.0, 255.0).astype(jnp.uint8),
            "people_uv": uv,
            "people_confidence": confidence,
        }
    )


def _zoom_and_shift(
    picture: jax.Array, uv: jax.Array, confidence: jax.Array, zoom, shift: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Scales about the centre, then shifts by shares of the sides; black outside."""
    size = jnp.array(picture.shape[1::-1], jnp.float32)  # width, height
    move = (0.5 * (1.0 - zoom) + shift) * size
    picture = jax.image.scale_and_translate(
        picture,
        picture.shape,
        (0, 1),
        jnp.stack([zoom, zoom]),
        move[::-1],
        "linear",
        antialias=False,
    )
    uv = uv * zoom + move.reshape(1, 1, 2)
    inside = ((uv >= 0.0) & (uv < size.reshape(1, 1, 2))).all(axis=-1)
    return picture, uv, jnp.where(inside, confidence, 0.0)
