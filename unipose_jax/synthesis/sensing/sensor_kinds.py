"""Depth cameras of other kinds than structured light: time of flight, stereo, lidar.

We chose the sizes of the errors by eye; they follow what is known of each kind. A
time-of-flight camera mixes the depths at edges, and light that is reflected twice
makes concave corners seem farther. Stereo widens near surfaces, has errors that are
alike in neighbouring pixels, and holes where there is no texture. A lidar of a tablet
interpolates few measurements to a smooth image without holes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from unipose_jax.synthesis.sensing import person_points, sensor

_CELL = 4  # pixels, size of the patches with a common error
# Of time of flight, stereo, lidar:
_NOISE = np.array([0.003, 0.001, 0.004])  # metres, standard deviation at any depth
_NOISE_AT_1M = np.array([0.0008, 0.0035, 0.0005])  # metres, times z^2
_SMOOTH = np.array([0.2, 0.9, 0.9])  # share of the variance common to a patch
_EDGE_HOLE = np.array([0.10, 0.30, 0.0])  # share of edge pixels without depth
_MIXED = np.array([0.5, 0.0, 0.0])  # share of edge pixels between near and far
_WIDENED = np.array([0.0, 0.5, 0.0])  # share of edge pixels with the near depth
_HOLES = np.array([0.0, 0.04, 0.0])  # of the area
_BLUR = np.array([0.0, 0.3, 1.0])  # share of the mean over a pixel's neighbours
_CORNER = np.array([0.2, 0.0, 0.0])  # largest bias, relative to a corner's depth
_OFFSET = np.array([0.015, 0.01, 0.01])  # metres, largest constant error of a clip
_DEEPEST_CORNER = 0.25  # metres


def replace(
    key: jax.Array,
    measured: Float[Array, "frames height width"],
    depth: Float[Array, "frames height width"],
    *,
    params: sensor.SensorParams,
) -> Float[Array, "frames height width"]:
    """Replaces the measured depth of some clips by that of another kind of camera.

    Args:
        key: random key.
        measured: z-depth of `sensor.simulate`, metres.
        depth: exact z-depth, metres, finite.
        params: shares of the kinds, and the range.

    Returns:
        z-depth, metres, 0 where depth is missing.
    """
    keys = jax.random.split(key, 5)
    draw = jax.random.uniform(keys[0], (4,))
    shares = np.cumsum([params.tof_share, params.stereo_share, params.lidar_share])
    kind = jnp.minimum(jnp.sum(draw[0] >= jnp.asarray(shares, jnp.float32)), 2)

    def of(table):
        return jnp.asarray(table, jnp.float32)[kind]

    near, far = sensor.neighbourhood_range(depth)
    edge = far - near > params.edge_jump
    seen = depth + of(_BLUR) * (_cross_mean(depth) - depth)
    corner = jnp.clip(depth - _tile_mean(depth), 0.0, _DEEPEST_CORNER)
    seen += of(_CORNER) * draw[1] * corner + of(_OFFSET) * (2.0 * draw[2] - 1.0)
    u = jax.random.uniform(keys[1], depth.shape)
    place = u / jnp.maximum(of(_MIXED), 1e-6)
    seen = jnp.where(edge & (u < of(_MIXED)), near + (far - near) * place, seen)
    seen = jnp.where(edge & (u < of(_WIDENED)), near, seen)
    size = of(_NOISE) + of(_NOISE_AT_1M) * depth**2
    seen += size * _noise(keys[2], depth.shape, of(_SMOOTH))
    lost = edge & (jax.random.uniform(keys[3], depth.shape) < of(_EDGE_HOLE))
    holes = person_points.blobs(keys[4], depth.shape, float(_HOLES.max()))
    lost |= holes & (of(_HOLES) > 0.0)
    low, high = params.range
    seen = jnp.where(lost | (seen < low) | (seen > high), 0.0, seen)
    return jnp.where(draw[0] < float(shares[-1]), seen, measured)


def _noise(key: jax.Array, shape: tuple[int, ...], smooth: Array) -> Array:
    """Normal noise, of which the share `smooth` of the variance is that of patches."""
    key_patch, key_pixel = jax.random.split(key)
    frames, height, width = shape
    grid = (frames, -(-height // _CELL), -(-width // _CELL))
    patch = jax.random.normal(key_patch, grid)
    patch = patch.repeat(_CELL, axis=1).repeat(_CELL, axis=2)[:, :height, :width]
    pixel = jax.random.normal(key_pixel, shape)
    return jnp.sqrt(smooth) * patch + jnp.sqrt(1.0 - smooth) * pixel


def _cross_mean(depth: Array) -> Array:
    """Mean over each pixel and its four neighbours."""
    padded = jnp.pad(depth, ((0, 0), (1, 1), (1, 1)), mode="edge")
    beside = padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    return (depth + beside + padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1]) / 5.0


def _tile_mean(depth: Array) -> Array:
    """Mean depth of the tiles around each pixel."""
    total = person_points.sum_around(depth)
    return total / person_points.sum_around(jnp.ones_like(depth))
