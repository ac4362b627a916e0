"""Square crops around a person: which square, and the camera of the crop.

Pixels have (0, 0) at the top-left corner of the image, centres at +0.5. For NumPy and
JAX arrays alike; leading axes are free.
"""

import numpy as np
from jaxtyping import Bool, Float

from unipose_jax.geometry import arrays, camera

MARGIN = 0.1  # of the square of the person, on each side
NEAR = 0.01  # metres: no points are nearer to a camera, or behind it
_OUTLIER_RATIO = 100  # one point in so many is dropped on each side, for flying pixels


def enclosing(
    uv: Float[arrays.AnyArray, "*batch points 2"],
    *,
    valid: Bool[arrays.AnyArray, "*batch points"],
    image_size: tuple[int, ...],
    margin: float = MARGIN,
) -> tuple[Float[arrays.AnyArray, "*batch 2"], Float[arrays.AnyArray, "*batch"]]:
    """The square around projected points, enlarged by a margin.

    On each side of the square, one point in a hundred is left out, because a few flying
    pixels are among the points. Without points, the square is the largest one in the
    middle of the image, without a margin.

    Args:
        uv: projected points, pixels.
        valid: False removes a point, whatever it holds.
        image_size: height and width of the image, pixels.
        margin: added on each side, as a share of the square.

    Returns:
        The top-left corner (u, v), which may lie outside the image, and the side of the
        square, at least one pixel; pixels.
    """
    xp = arrays.namespace(uv)
    height, width = image_size
    count = valid.sum(axis=-1)
    seen = count > 0
    drop = count // _OUTLIER_RATIO
    ascending = xp.sort(xp.where(valid[..., None], uv, np.inf), axis=-2)
    middle = xp.asarray([width / 2.0, height / 2.0], uv.dtype)
    middle = xp.broadcast_to(middle, (*uv.shape[:-2], 2))
    low = xp.where(seen[..., None], _pick(ascending, drop, xp), middle)
    last = xp.maximum(count - 1 - drop, 0)
    high = xp.where(seen[..., None], _pick(ascending, last, xp), middle)
    side = xp.maximum((high - low).max(axis=-1), 1.0) * (1.0 + 2.0 * margin)
    side = xp.where(seen, side, float(min(image_size)))
    return (low + high) / 2.0 - side[..., None] / 2.0, side


def matrix(
    left_top: Float[arrays.AnyArray, "*batch 2"],
    side: Float[arrays.AnyArray, "*batch"],
    intrinsics: Float[arrays.AnyArray, "4"],
    *,
    size: int,
) -> Float[arrays.AnyArray, "*batch 3 3"]:
    """The camera matrix P of a crop: crop pixel = P (x / z, y / z, 1).

    With s = size / side: P = [[s fx, 0, s (cx - left)], [0, s fy, s (cy - top)],
    [0, 0, 1]].

    Args:
        left_top: corner of the square, pixels of the image.
        side: of the square, pixels of the image.
        intrinsics: (fx, fy, cx, cy) of the image, pixels.
        size: height and width of the crop, pixels.

    Raises:
        ValueError: `intrinsics` are no such vector, e.g. a 3x3 matrix.
    """
    camera.check_intrinsics(intrinsics)
    scale = (size / side)[..., None]
    focal, center = intrinsics.reshape(2, *(1 for _ in side.shape), 2)
    return _scale_and_shift(scale * focal, scale * (center - left_top))


def image_from_crop(
    left_top: Float[arrays.AnyArray, "*batch 2"],
    side: Float[arrays.AnyArray, "*batch"],
    *,
    size: int,
) -> Float[arrays.AnyArray, "*batch 3 3"]:
    """Maps pixels (u, v, 1) of a crop to pixels of the image.

    Args:
        left_top: corner of the square, pixels of the image.
        side: of the square, pixels of the image.
        size: height and width of the crop, pixels.
    """
    return _scale_and_shift((side / size)[..., None], left_top)


def _pick(ascending, place, xp):
    """Entry `place` along the axis of points: (*batch, points, 2) to (*batch, 2)."""
    place = xp.minimum(place, ascending.shape[-2] - 1)[..., None, None]
    return xp.take_along_axis(ascending, place, axis=-2)[..., 0, :]


def _scale_and_shift(scale, shift):
    """[[scale_u, 0, shift_u], [0, scale_v, shift_v], [0, 0, 1]] of each square."""
    xp = arrays.namespace(shift)
    scale = xp.broadcast_to(scale, shift.shape)
    zero, one = xp.zeros_like(shift[..., 0]), xp.ones_like(shift[..., 0])
    entries = [scale[..., 0], zero, shift[..., 0], zero, scale[..., 1], shift[..., 1]]
    return xp.stack([*entries, zero, zero, one], -1).reshape(*zero.shape, 3, 3)
