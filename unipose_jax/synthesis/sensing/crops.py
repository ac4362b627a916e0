"""Square crops around the person, out of depth and colour images of a clip.

A crop's camera is a 3x3 matrix P, `crop_matrix`: crop pixel = P (x / z, y / z, 1), in
the frame of the camera that took the image. Pixels have (0, 0) at the top-left corner,
centres at +0.5. `data_pipelines.sequences.crops` cuts recordings by the same rules.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt8

from unipose_jax.geometry import camera, transforms, warp

MARGIN = 0.1  # of the person's square, on each side
COLOR_SAMPLES = 3  # along each side of a crop's pixel
_DROPPED = 100  # one point in so many is dropped on each side, flying pixels among them
_NEAR = 0.01  # metres; what is nearer to the camera, or behind it, is no point


def depth_fields(
    depth: Float[Array, "frames height width"],
    points: Float[Array, "frames points 3"],
    intrinsics: Float[Array, "4"],
    *,
    points_valid: Bool[Array, "frames points"],
    size: int,
    margin: float = MARGIN,
) -> dict[str, Array]:
    """The person in the depth image, pixel by nearest pixel.

    Args:
        depth: z-depth of the person alone, metres, 0 elsewhere.
        points: the person, metres, depth-camera frame.
        intrinsics: (fx, fy, cx, cy) of the depth camera, pixels.
        points_valid: False removes a point, whatever it holds.
        size: height and width of a crop, pixels.
        margin: as in `squares`.

    Returns:
        `depth_crop` (frames, size, size), metres, 0 where there is none;
        `depth_crop_matrix` (frames, 3, 3); and `reference_depth` (frames,), the median
        z of the person, metres, 0 in a frame without points.
    """
    left_top, side = squares(
        points,
        intrinsics,
        valid=points_valid,
        image_size=depth.shape[1:],
        margin=margin,
    )
    look_up = functools.partial(warp.affine, size=(size, size))
    source = _source_from_crop(left_top, side, size)
    return {
        "depth_crop": jax.vmap(look_up)(depth, source),
        "depth_crop_matrix": crop_matrix(left_top, side, intrinsics, size=size),
        "reference_depth": median_depth(points, points_valid=points_valid),
    }


def color_fields(
    color: UInt8[Array, "frames height width 3"],
    points: Float[Array, "frames points 3"],
    intrinsics: Float[Array, "4"],
    cam_from_points: Float[Array, "4 4"],
    *,
    points_valid: Bool[Array, "frames points"],
    size: int,
    margin: float = MARGIN,
    samples: int = COLOR_SAMPLES,
) -> dict[str, Array]:
    """The person in the colour image, each pixel the mean of a few samples.

    Args:
        color: RGB.
        points: the person, metres, depth-camera frame.
        intrinsics: (fx, fy, cx, cy) of the colour camera, pixels.
        cam_from_points: from the depth camera to the colour camera, metres.
        points_valid: False removes a point, whatever it holds.
        size: height and width of a crop, pixels.
        margin: as in `squares`.
        samples: along each side of a crop's pixel, nearest image pixels.

    Returns:
        `color_crop` (frames, size, size, 3), uint8, and `color_crop_matrix`
        (frames, 3, 3).
    """
    left_top, side = squares(
        transforms.apply(
            cam_from_points, jnp.where(points_valid[..., None], points, 0)
        ),
        intrinsics,
        valid=points_valid,
        image_size=color.shape[1:3],
        margin=margin,
    )
    fine = size * samples
    look_up = functools.partial(warp.affine, size=(fine, fine))
    found = jax.vmap(look_up)(color, _source_from_crop(left_top, side, fine))
    blocks = found.reshape(-1, size, samples, size, samples, 3).astype(jnp.float32)
    return {
        "color_crop": jnp.round(blocks.mean(axis=(2, 4))).astype(jnp.uint8),
        "color_crop_matrix": crop_matrix(left_top, side, intrinsics, size=size),
    }


def squares(
    points: Float[Array, "frames points 3"],
    intrinsics: Float[Array, "4"],
    *,
    valid: Bool[Array, "frames points"],
    image_size: tuple[int, ...],
    margin: float = MARGIN,
) -> tuple[Float[Array, "frames 2"], Float[Array, " frames"]]:
    """The square around the person in each frame.

    It encloses the projected points but for one in a hundred on each side, and is
    larger by a margin. In a frame without points it is the largest one in the middle of
    the image.

    Args:
        points: the person, metres, camera frame.
        intrinsics: (fx, fy, cx, cy), pixels.
        valid: False removes a point, whatever it holds.
        image_size: height and width of the image, pixels.
        margin: what is added on each side, as a share of the square.

    Returns:
        The left top corner, which may lie outside the image, and the length of a side,
        at least a pixel; pixels.
    """
    points = jnp.where(valid[..., None], points, 0.0)
    valid &= points[..., 2] > _NEAR
    uv = camera.uv_from_xyz(points, intrinsics)
    ascending = jnp.sort(jnp.where(valid[..., None], uv, jnp.inf), axis=1)
    count = valid.sum(axis=1)
    drop = count // _DROPPED
    low = _pick(ascending, drop)
    high = _pick(ascending, jnp.maximum(count - 1 - drop, 0))
    side = jnp.maximum((high - low).max(axis=-1), 1.0) * (1.0 + 2.0 * margin)
    height, width = image_size
    middle = jnp.broadcast_to(jnp.array([width, height]) / 2.0, low.shape)
    seen = count > 0
    side = jnp.where(seen, side, float(min(image_size)))
    center = jnp.where(seen[:, None], (low + high) / 2.0, middle)
    return center - side[:, None] / 2.0, side


def crop_matrix(
    left_top: Float[Array, "frames 2"],
    side: Float[Array, " frames"],
    intrinsics: Float[Array, "4"],
    *,
    size: int,
) -> Float[Array, "frames 3 3"]:
    """The camera matrix P of a square that is scaled to `size` pixels.

    With s = size / side: P = [[s fx, 0, s (cx - left)], [0, s fy, s (cy - top)],
    [0, 0, 1]].

    Args:
        left_top: corner of the square, pixels of the image.
        side: its side, pixels of the image.
        intrinsics: (fx, fy, cx, cy) of the image, pixels.
        size: height and width of the crop, pixels.
    """
    scale = (size / side)[:, None]
    center = scale * (intrinsics[None, 2:] - left_top)
    return _scale_and_shift(scale * intrinsics[None, :2], center)


def median_depth(
    points: Float[Array, "frames points 3"],
    *,
    points_valid: Bool[Array, "frames points"],
) -> Float[Array, " frames"]:
    """The median z of the valid points of each frame, metres; 0 without any."""
    count = points_valid.sum(axis=1)
    z = jnp.sort(jnp.where(points_valid, points[..., 2], jnp.inf), axis=1)
    middle = (jnp.maximum(count - 1, 0) // 2, count // 2)
    median = sum(_pick(z[..., None], place)[:, 0] for place in middle) / 2.0
    return jnp.where(count > 0, median, 0.0)


def _pick(ascending: Array, place: Array) -> Array:
    """Entry `place` of each frame: (frames, points, k) to (frames, k)."""
    place = jnp.minimum(place, ascending.shape[1] - 1)
    return jnp.take_along_axis(ascending, place[:, None, None], axis=1)[:, 0]


def _source_from_crop(left_top: Array, side: Array, size: int) -> Array:
    """Maps pixels of the crop to those of the image: (frames, 3, 3)."""
    scale = jnp.broadcast_to(side[:, None] / size, left_top.shape)
    return _scale_and_shift(scale, left_top)


def _scale_and_shift(scale: Array, shift: Array) -> Array:
    """[[scale_u, 0, shift_u], [0, scale_v, shift_v], [0, 0, 1]] of each frame."""
    zero, one = jnp.zeros_like(scale[:, 0]), jnp.ones_like(scale[:, 0])
    entries = [scale[:, 0], zero, shift[:, 0], zero, scale[:, 1], shift[:, 1]]
    return jnp.stack([*entries, zero, zero, one], axis=-1).reshape(-1, 3, 3)
