"""Points of the person from depth images: simulated segmentation, then sampling."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.synthesis.sensing import normal_noise, sensor

_CELL = 8  # pixels, size of the blobs that the segmentation misses
_GOLDEN = 0.6180339887498949


@dataclasses.dataclass(frozen=True)
class SegmentationParams:
    """Errors of the person mask; we chose the shares ourselves."""

    dropped: float = 0.03  # of the person's area, in blobs
    contact_depth: float = 0.12  # metres; depth difference of background in contact
    contact_leak: float = 0.5  # share of such pixels at the silhouette in the mask
    far_leak: float = 0.01  # share of other background pixels at the silhouette
    min_pixels: int = 24  # frames with fewer mask pixels have no points
    lost_share: float = 0.0  # share of clips whose mask lacks limbs, head or shirt
    cut_share: float = 0.0  # share of clips whose mask ends at a line
    hole_share: float = 0.0  # share of clips with large holes
    hole_area: float = 0.25  # of the image of such clips
    leak_share: float = 0.0  # share of clips with background near the person
    leak_area: float = 0.4  # of the background within one or two tiles of 8 pixels
    leak_depth: float = 0.4  # metres between such background and the person

    @property
    def large_errors(self) -> bool:
        """Whether some clips have errors of `mask_regions`."""
        shares = self.lost_share, self.cut_share, self.hole_share, self.leak_share
        return max(shares) > 0.0


def simulate_segmentation(
    key: jax.Array,
    depth: Float[Array, "frames height width"],
    person: Bool[Array, "frames height width"],
    *,
    params: SegmentationParams,
) -> Bool[Array, "frames height width"]:
    """Simulates the person mask of an imperfect segmentation method.

    Blobs of the person are missing. Up to two pixels beyond the silhouette, floor,
    furniture and flying pixels belong to the mask, mostly those with almost the
    person's depth.

    Args:
        key: random key.
        depth: measured z-depth, metres; pixels without depth (0) leave the mask.
        person: exact mask.
        params: the errors.
    """
    key_drop, key_leak = jax.random.split(key)
    dropped = blobs(key_drop, depth.shape, params.dropped)
    beside = jnp.where(person, depth, 0.0)
    for _ in range(2):
        beside = sensor.neighbourhood_range(beside)[1]
    touches = jnp.abs(depth - beside) < params.contact_depth
    share = jnp.where(touches, params.contact_leak, params.far_leak)
    leaks = jax.random.uniform(key_leak, depth.shape) < share
    kept = (person & ~dropped) | (~person & (beside > 0.0) & leaks)
    return kept & (depth > 0.0)


def blobs(
    key: jax.Array, shape: tuple[int, ...], share: float, *, cell: int = _CELL
) -> Bool[Array, "frames height width"]:
    """Smooth random blobs that cover about the given share of each image.

    Args:
        key: random key; frames are independent.
        shape: (frames, height, width).
        share: of the area.
        cell: size of the blobs, pixels.
    """
    frames, height, width = shape
    grid = (frames, height // cell + 2, width // cell + 2)
    field = jax.random.normal(key, grid)
    for axis, size in ((1, height), (2, width)):
        field = _interpolate(field, axis, size, cell)
    return field < normal_noise.quantile(share)


def _interpolate(field: Array, axis: int, size: int, cell: int) -> Array:
    """Interpolates a coarse field along an axis and preserves its variance."""
    place = np.arange(size) / cell
    start = place.astype(int)
    weights = np.zeros((size, field.shape[axis]), np.float32)
    fraction = place - start
    norm = np.sqrt(fraction**2 + (1.0 - fraction) ** 2)
    weights[np.arange(size), start] = (1.0 - fraction) / norm
    weights[np.arange(size), start + 1] = fraction / norm
    moved = jnp.tensordot(weights, field, axes=(1, axis), precision="highest")
    return jnp.moveaxis(moved, 0, axis)


def sum_around(
    image: Float[Array, "frames height width"],
) -> Float[Array, "frames height width"]:
    """Sum over the 3 x 3 tiles around each pixel's tile of 8 pixels."""
    _, height, width = image.shape
    rows, columns = -(-height // _CELL), -(-width // _CELL)
    padding = ((0, 0), (0, rows * _CELL - height), (0, columns * _CELL - width))
    tiles = jnp.pad(image, padding).reshape(-1, rows, _CELL, columns, _CELL)
    tiles = jnp.pad(tiles.sum(axis=(2, 4)), ((0, 0), (1, 1), (1, 1)))
    tiles = tiles[:, :-2] + tiles[:, 1:-1] + tiles[:, 2:]
    tiles = tiles[:, :, :-2] + tiles[:, :, 1:-1] + tiles[:, :, 2:]
    return tiles.repeat(_CELL, axis=1).repeat(_CELL, axis=2)[:, :height, :width]


def sample_points(
    key: jax.Array,
    depth: Float[Array, "frames height width"],
    mask: Bool[Array, "frames height width"],
    intrinsics: Float[Array, "4"],
    *,
    count: int,
    min_pixels: int,
) -> tuple[Float[Array, "frames points 3"], Bool[Array, "frames points"]]:
    """Samples points evenly from the masked pixels.

    The ranks of the chosen pixels follow a golden-ratio sequence plus jitter, so that
    any prefix of the points is evenly distributed too. Frames with fewer masked pixels
    than points repeat pixels.

    Args:
        key: random key.
        depth: measured z-depth, metres.
        mask: pixels to draw from.
        intrinsics: (fx, fy, cx, cy), pixels.
        count: number of points per frame.
        min_pixels: frames with fewer masked pixels get no valid point.

    Returns:
        Points, metres, camera frame (0 where invalid), and their validity.
    """
    frames, height, width = depth.shape
    key_start, key_jitter = jax.random.split(key)
    start = jax.random.uniform(key_start, (frames, 1))
    jitter = jax.random.uniform(key_jitter, (frames, count)) / count
    place = np.mod(np.arange(count) * _GOLDEN, 1.0).astype(np.float32)
    place = jnp.mod(start + place[None] + jitter, 1.0)
    ranks = jnp.cumsum(mask.reshape(frames, -1).astype(jnp.int32), axis=1)
    total = ranks[:, -1:]
    wanted = jnp.minimum((place * total).astype(jnp.int32), total - 1)
    pixel = jax.vmap(lambda r, w: jnp.searchsorted(r, w, side="right"))(ranks, wanted)
    pixel = jnp.minimum(pixel, height * width - 1)
    z = jnp.take_along_axis(depth.reshape(frames, -1), pixel, axis=1)
    x = (pixel % width + 0.5 - intrinsics[2]) / intrinsics[0]
    y = (pixel // width + 0.5 - intrinsics[3]) / intrinsics[1]
    valid = jnp.broadcast_to(total >= min_pixels, pixel.shape)
    points = jnp.stack([x * z, y * z, z], axis=-1)
    return jnp.where(valid[..., None], points, 0.0), valid
