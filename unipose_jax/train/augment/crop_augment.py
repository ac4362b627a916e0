"""Augmentation of crops: random affine views with their camera matrix, and noise.

A view maps the pixels of a crop by an affine matrix A, and the crop's camera matrix P
becomes A P, so that projected joints move with the image. Metric depth and 3D joints do
not change. Pixel values are augmented by erased rectangles, depth noise and colour
jitter (as in A2J, Xiong et al., ICCV 2019).
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, UInt8

from unipose_jax.geometry import warp
from unipose_jax.train import settings


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CropTransform:
    """Affine map from pixels of the crop to pixels of the view."""

    matrix: Array  # (*batch, 3, 3), affine
    mirrored: Array  # (*batch,) bool


def sample_transform(
    key: Key[Array, ""],
    *,
    size: int,
    rotation: float,
    scale: float,
    translation: float,
    mirror: bool,
) -> CropTransform:
    """Samples an affine view of a square crop.

    Args:
        key: a `jax.random.key`.
        size: of the crop, pixels.
        rotation: largest turn about the crop's centre, radians.
        scale: sizes are drawn from [1 / (1 + scale), 1 + scale], log-uniformly.
        translation: largest shift along each axis, as a share of `size`.
        mirror: whether half of the views swap left and right.
    """
    turn_key, scale_key, shift_key, mirror_key = jax.random.split(key, 4)
    angle = rotation * jax.random.uniform(turn_key, minval=-1.0, maxval=1.0)
    factor = jnp.exp(
        jnp.log1p(scale) * jax.random.uniform(scale_key, minval=-1.0, maxval=1.0)
    )
    moved = (
        translation
        * size
        * jax.random.uniform(shift_key, (2,), minval=-1.0, maxval=1.0)
    )
    mirrored = jax.random.bernoulli(mirror_key, 0.5 if mirror else 0.0)
    cos, sin = factor * jnp.cos(angle), factor * jnp.sin(angle)
    side = jnp.where(mirrored, -1.0, 1.0)
    linear = jnp.array([[cos * side, -sin], [sin * side, cos]])
    center = jnp.full(2, size / 2.0)
    offset = center + moved - jnp.matmul(linear, center, precision="highest")
    matrix = jnp.eye(3).at[:2, :2].set(linear).at[:2, 2].set(offset)
    return CropTransform(matrix=matrix, mirrored=mirrored)


def transform_matrix(
    transform: CropTransform, crop_matrix: Float[Array, "*batch 3 3"]
) -> Float[Array, "*batch 3 3"]:
    """The camera matrix of the view of a crop: A P."""
    return jnp.matmul(transform.matrix, crop_matrix, precision="highest")


def warp_depth(
    transform: CropTransform, depth: Float[Array, "size size"]
) -> Float[Array, "size size"]:
    """Warps a depth crop to the view: nearest pixel, metres; 0 outside the crop."""
    return warp.affine(
        depth,
        jnp.linalg.inv(transform.matrix),
        size=(len(depth), len(depth)),
        method="nearest",
    )


def warp_color(
    transform: CropTransform, color: UInt8[Array, "size size 3"]
) -> UInt8[Array, "size size 3"]:
    """Warps a colour crop to the view: bilinear; black outside the crop."""
    warped = warp.affine(
        color.astype(jnp.float32),
        jnp.linalg.inv(transform.matrix),
        size=(len(color), len(color)),
        method="linear",
    )
    return jnp.round(warped).astype(jnp.uint8)


def random_erasing_mask(
    key: Key[Array, ""],
    *,
    size: int,
    probability: float,
    area: tuple[float, float],
) -> Bool[Array, "size size"]:
    """Mask of a random rectangle (random erasing), which simulates an occluder.

    Args:
        key: a `jax.random.key`.
        size: of the crop, pixels.
        probability: of a rectangle; without one nothing is erased.
        area: smallest and largest, as shares of the crop.
    """
    gate_key, area_key, aspect_key, place_key = jax.random.split(key, 4)
    share = jax.random.uniform(area_key, minval=area[0], maxval=area[1])
    aspect = jnp.exp(
        jnp.log(3.3) * jax.random.uniform(aspect_key, minval=-1.0, maxval=1.0)
    )
    sides = size * jnp.minimum(jnp.sqrt(share * jnp.stack([aspect, 1.0 / aspect])), 1.0)
    corner = jax.random.uniform(place_key, (2,)) * (size - sides)
    pixel = (jnp.arange(size) + 0.5)[None]
    inside = (pixel > corner[:, None]) & (pixel < (corner + sides)[:, None])
    hit = jax.random.bernoulli(gate_key, probability)
    return inside[1][:, None] & inside[0][None, :] & hit


def add_depth_noise(
    key: Key[Array, ""], depth: Float[Array, "size size"], *, std: float
) -> Float[Array, "size size"]:
    """Adds Gaussian noise whose standard deviation is `std` * depth^2.

    Args:
        key: a `jax.random.key`.
        depth: metres, 0 where there is none.
        std: standard deviation at 1 m, metres.
    """
    noise = std * depth**2 * jax.random.normal(key, depth.shape)
    return jnp.where(depth > 0, jnp.maximum(depth + noise, 1e-3), 0.0)


def color_jitter(
    key: Key[Array, ""],
    color: UInt8[Array, "size size 3"],
    *,
    contrast: float,
    brightness: float,
    tint: float,
) -> UInt8[Array, "size size 3"]:
    """Colour jitter: random contrast, brightness and gain per channel.

    Args:
        key: a `jax.random.key`.
        color: RGB.
        contrast: factors about the mean, from [1 / (1 + contrast), 1 + contrast].
        brightness: factors of all channels, from
            [1 / (1 + brightness), 1 + brightness].
        tint: factors of each channel, from [1 / (1 + tint), 1 + tint].
    """
    keys = jax.random.split(key, 3)

    def factor(key, limit, shape):
        draw = jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
        return jnp.exp(jnp.log1p(limit) * draw)

    value = color.astype(jnp.float32)
    mean = value.mean()
    value = mean + (value - mean) * factor(keys[0], contrast, ())
    value = value * factor(keys[1], brightness, ())
    value = value * factor(keys[2], tint, (3,))[None, None]
    return jnp.clip(jnp.round(value), 0.0, 255.0).astype(jnp.uint8)


def degrade_depth(
    key: Key[Array, ""],
    depth: Float[Array, "size size"],
    config: settings.CropAugmentation,
) -> Float[Array, "size size"]:
    """Depth with sensor noise and an erased rectangle.

    Args:
        key: a `jax.random.key`.
        depth: metres, 0 where there is none.
        config: `depth_noise`, metres at 1 m; `erase_prob` and `erase_area`, see
            `random_erasing_mask`.
    """
    noise_key, erase_key = jax.random.split(key)
    depth = add_depth_noise(noise_key, depth, std=config.depth_noise)
    hidden = random_erasing_mask(
        erase_key,
        size=len(depth),
        probability=config.erase_prob,
        area=config.erase_area,
    )
    return jnp.where(hidden, 0.0, depth)


def degrade_color(
    key: Key[Array, ""],
    color: UInt8[Array, "size size 3"],
    config: settings.CropAugmentation,
) -> UInt8[Array, "size size 3"]:
    """Colour with jitter and a rectangle of one random colour.

    Args:
        key: a `jax.random.key`.
        color: RGB.
        config: `contrast`, `brightness` and `tint`, see `color_jitter`; `erase_prob`
            and `erase_area`, see `random_erasing_mask`.
    """
    jitter_key, erase_key, paint_key = jax.random.split(key, 3)
    color = color_jitter(
        jitter_key,
        color,
        contrast=config.contrast,
        brightness=config.brightness,
        tint=config.tint,
    )
    hidden = random_erasing_mask(
        erase_key,
        size=len(color),
        probability=config.erase_prob,
        area=config.erase_area,
    )
    paint = jax.random.randint(paint_key, (1, 1, 3), 0, 256).astype(jnp.uint8)
    return jnp.where(hidden[..., None], paint, color)


def degrade_crops(
    key: Key[Array, ""], crops: Mapping[str, Array], config: settings.CropAugmentation
) -> dict[str, Array]:
    """Degrades the crops of a clip (batch fields); all frames use the same key."""
    change = {"depth_crop": degrade_depth, "color_crop": degrade_color}
    return {
        name: jax.vmap(lambda image, f=change[name]: f(key, image, config))(value)
        if name in change
        else value
        for name, value in crops.items()
    }
