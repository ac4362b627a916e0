"""Image sampling: nearest pixel, bilinear, and affine maps.

Positions are pixels, (0, 0) at the top-left corner of the image, pixel centres at
+0.5. Outside the image, values are 0. One image per call; use `jax.vmap` for more.
"""

import itertools

import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from unipose_jax.geometry import depth

METHODS = ("nearest", "linear")


def nearest(
    image: Shaped[Array, "height width *channels"], uv: Float[Array, "*points 2"]
) -> Shaped[Array, "..."]:
    """The pixel that contains each position.

    Args:
        image: any dtype and unit.
        uv: positions, pixels. NaN counts as outside.

    Returns:
        Values (*points, *channels), dtype of the image; 0 outside.
    """
    return _pixel(image, jnp.floor(uv))


def linear(
    image: Shaped[Array, "height width *channels"], uv: Float[Array, "*points 2"]
) -> Float[Array, "..."]:
    """Bilinear interpolation between pixel centres, differentiable in image and `uv`.

    The image is 0 beyond its edge, so values fade to 0 over the half pixel on either
    side of the edge.

    Args:
        image: any unit; integers become float32.
        uv: positions, pixels. NaN counts as outside.

    Returns:
        Values (*points, *channels), floating; 0 outside.
    """
    limit = jnp.broadcast_to(jnp.array(image.shape[1::-1], uv.dtype), uv.shape)
    # Replaced before the arithmetic, so that no gradient sees NaN or infinity.
    near = jnp.all((uv > -1.0) & (uv < limit + 1.0), axis=-1, keepdims=True)
    place = jnp.where(near, uv, -1.0) - 0.5
    first = jnp.floor(place)
    share = place - first
    if not jnp.issubdtype(image.dtype, jnp.floating):
        image = image.astype(jnp.float32)
    total = jnp.zeros((*uv.shape[:-1], *image.shape[2:]), image.dtype)
    for corner in itertools.product((0.0, 1.0), repeat=2):
        step = jnp.broadcast_to(jnp.array(corner, uv.dtype), uv.shape)
        along = jnp.where(step > 0.0, share, 1.0 - share)
        weight = along[..., 0] * along[..., 1]
        weight = weight.reshape(*weight.shape, *(1 for _ in image.shape[2:]))
        total += weight.astype(image.dtype) * _pixel(image, first + step)
    return total


def affine(
    image: Shaped[Array, "height width *channels"],
    source_from_target: Float[Array, "rows 3"],
    *,
    size: tuple[int, int],
    method: str = "nearest",
) -> Shaped[Array, "..."]:
    """Resamples an image by an affine map, at the centres of the target pixels.

    Args:
        image: the source.
        source_from_target: maps target pixels (u, v, 1) to source pixels; 2x3, or 3x3
            with the last row (0, 0, 1), which is ignored.
        size: height and width of the target, pixels.
        method: one of `METHODS`, "nearest" or "linear".

    Returns:
        Target (*size, *channels); dtype of `image`, but "linear" makes
        integers float32.

    Raises:
        ValueError: an unknown method, or a matrix of another shape.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; use one of {METHODS}")
    if source_from_target.shape[0] not in (2, 3):
        raise ValueError(
            f"source_from_target must be 2x3 or 3x3, got {source_from_target.shape}"
        )
    target = depth.pixel_centers(*size)
    linear_part, shift = jnp.split(source_from_target[:2], [2], axis=1)
    uv = jnp.einsum("ij,hwj->hwi", linear_part, target, precision="highest")
    uv += shift.reshape(1, 1, 2)
    return nearest(image, uv) if method == "nearest" else linear(image, uv)


def _pixel(image: Array, column_row: Array) -> Array:
    """Pixels (*points, *channels) at whole columns and rows, 0 outside the image."""
    height, width, *channels = image.shape
    limit = jnp.array([width, height], column_row.dtype)
    limit = jnp.broadcast_to(limit, column_row.shape)
    inside = jnp.all((column_row >= 0.0) & (column_row < limit), axis=-1)
    whole = jnp.where(inside[..., None], column_row, 0.0).astype(jnp.int32)
    index = whole[..., 1] * width + whole[..., 0]
    flat = image.reshape(height * width, *channels)
    values = flat.at[index].get(mode="promise_in_bounds")
    inside = inside.reshape(*inside.shape, *(1 for _ in channels))
    return jnp.where(inside, values, jnp.zeros((), image.dtype))
