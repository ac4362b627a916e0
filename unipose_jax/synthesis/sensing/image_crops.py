"""Square crops around the person from the depth and colour images of a clip.

Squares and matrices come from `geometry.square_crop`, as for recorded data.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt8

from unipose_jax.geometry import camera, square_crop, transforms, warp

COLOR_SAMPLES = 3  # along each side of a crop's pixel


def depth_fields(
    depth: Float[Array, "frames height width"],
    points: Float[Array, "frames points 3"],
    intrinsics: Float[Array, "4"],
    *,
    points_valid: Bool[Array, "frames points"],
    size: int,
    margin: float = square_crop.MARGIN,
) -> dict[str, Array]:
    """Crops the person from the depth image by nearest-neighbour sampling.

    Args:
        depth: z-depth of the person alone, metres, 0 elsewhere.
        points: points of the person, metres, depth-camera frame.
        intrinsics: (fx, fy, cx, cy) of the depth camera, pixels.
        points_valid: False removes a point, even if it is NaN.
        size: height and width of a crop, pixels.
        margin: as in `crop_squares`.

    Returns:
        `depth_crop` (frames, size, size), metres, 0 where depth is missing;
        `depth_crop_matrix` (frames, 3, 3); and `reference_depth` (frames,), the median
        z of the person, metres, 0 in a frame without points.
    """
    left_top, side = crop_squares(
        points,
        intrinsics,
        valid=points_valid,
        image_size=depth.shape[1:],
        margin=margin,
    )
    look_up = functools.partial(warp.affine, size=(size, size))
    source = square_crop.image_from_crop(left_top, side, size=size)
    return {
        "depth_crop": jax.vmap(look_up)(depth, source),
        "depth_crop_matrix": square_crop.matrix(left_top, side, intrinsics, size=size),
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
    margin: float = square_crop.MARGIN,
    samples: int = COLOR_SAMPLES,
) -> dict[str, Array]:
    """Crops the person from the colour image by supersampling.

    Each pixel of a crop is the mean of `samples`^2 nearest-neighbour samples.

    Args:
        color: RGB.
        points: points of the person, metres, depth-camera frame.
        intrinsics: (fx, fy, cx, cy) of the colour camera, pixels.
        cam_from_points: from the depth camera to the colour camera, metres.
        points_valid: False removes a point, even if it is NaN.
        size: height and width of a crop, pixels.
        margin: as in `crop_squares`.
        samples: samples along each side of a crop's pixel.

    Returns:
        `color_crop` (frames, size, size, 3), uint8, and `color_crop_matrix`
        (frames, 3, 3).
    """
    left_top, side = crop_squares(
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
    source = square_crop.image_from_crop(left_top, side, size=fine)
    found = jax.vmap(look_up)(color, source)
    blocks = found.reshape(-1, size, samples, size, samples, 3).astype(jnp.float32)
    return {
        "color_crop": jnp.round(blocks.mean(axis=(2, 4))).astype(jnp.uint8),
        "color_crop_matrix": square_crop.matrix(left_top, side, intrinsics, size=size),
    }


def crop_squares(
    points: Float[Array, "frames points 3"],
    intrinsics: Float[Array, "4"],
    *,
    valid: Bool[Array, "frames points"],
    image_size: tuple[int, ...],
    margin: float = square_crop.MARGIN,
) -> tuple[Float[Array, "frames 2"], Float[Array, " frames"]]:
    """Square around the person in each frame; see `square_crop.enclosing`.

    Args:
        points: points of the person, metres, camera frame.
        intrinsics: (fx, fy, cx, cy), pixels.
        valid: False removes a point, even if it is NaN.
        image_size: height and width of the image, pixels.
        margin: added on each side, as a share of the square.

    Returns:
        Upper left corners and side lengths of the squares, pixels.
    """
    points = jnp.where(valid[..., None], points, 0.0)
    return square_crop.enclosing(
        camera.uv_from_xyz(points, intrinsics),
        valid=valid & (points[..., 2] > square_crop.NEAR),
        image_size=image_size,
        margin=margin,
    )


def median_depth(
    points: Float[Array, "frames points 3"],
    *,
    points_valid: Bool[Array, "frames points"],
) -> Float[Array, " frames"]:
    """Median z of the valid points of each frame, metres; 0 if none is valid."""
    count = points_valid.sum(axis=1)
    z = jnp.sort(jnp.where(points_valid, points[..., 2], jnp.inf), axis=1)
    middle = (jnp.maximum(count - 1, 0) // 2, count // 2)
    median = sum(_pick(z[..., None], place)[:, 0] for place in middle) / 2.0
    return jnp.where(count > 0, median, 0.0)


def _pick(ascending: Array, place: Array) -> Array:
    """Entry `place` of each frame: (frames, points, k) to (frames, k)."""
    place = jnp.minimum(place, ascending.shape[1] - 1)
    return jnp.take_along_axis(ascending, place[:, None, None], axis=1)[:, 0]
