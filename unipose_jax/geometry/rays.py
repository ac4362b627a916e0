"""Rays of any camera in any frame, and how far points lie from them."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from unipose_jax.geometry import camera, transforms


def rays_from_uv(
    uv: Float[Array, "*batch n 2"],
    intrinsics: Float[Array, "*#batch 4"],
    frame_from_cam: Float[Array, "*#batch 4 4"],
) -> tuple[Float[Array, "*batch n 3"], Float[Array, "*batch n 3"]]:
    """Rays through undistorted pixels, expressed in another frame than the camera's.

    Args:
        uv: undistorted pixels of the camera.
        intrinsics: (fx, fy, cx, cy) of the camera, pixels.
        frame_from_cam: rigid transform from the camera frame, metres.

    Returns:
        Origins (the camera centre, metres) and unit directions, in that frame.
    """
    ray_dirs = camera.ray_dirs_from_uv(uv, intrinsics)
    origins = jnp.broadcast_to(frame_from_cam[..., None, :3, 3], ray_dirs.shape)
    return origins, transforms.rotate(frame_from_cam, ray_dirs)


def closest_point_on_ray(
    xyz: Float[Array, "*points 3"],
    ray_origins: Float[Array, "*#points 3"],
    ray_dirs: Float[Array, "*#points 3"],
) -> Float[Array, "*points 3"]:
    """Point of each half-line o + t d, t >= 0, that is nearest to `xyz`.

    Args:
        xyz: points, metres.
        ray_origins: starts of the rays, metres, same frame; leading axes broadcast,
            so that a single (3,) serves all rays of a camera.
        ray_dirs: unit vectors, same frame; leading axes broadcast.

    Returns:
        Points on the rays, metres; the origin itself for points behind it.
    """
    origins = jnp.broadcast_to(ray_origins, xyz.shape)
    dirs = jnp.broadcast_to(ray_dirs, xyz.shape)
    along = jnp.sum((xyz - origins) * dirs, axis=-1, keepdims=True)
    return origins + jnp.maximum(along, 0.0) * dirs


def point_to_ray_residual(
    xyz: Float[Array, "*points 3"],
    ray_origins: Float[Array, "*#points 3"],
    ray_dirs: Float[Array, "*#points 3"],
) -> Float[Array, "*points 3"]:
    """Vector from the nearest point of each ray to `xyz`: (I - d d^T)(p - o).

    Behind the origin (p - o).d < 0 and the vector is p - o, so that its squared
    length still falls towards the camera.

    Args:
        xyz: points, metres.
        ray_origins: starts of the rays, metres, same frame; leading axes broadcast.
        ray_dirs: unit vectors, same frame; leading axes broadcast.

    Returns:
        Residual vectors, metres. Square them before a root: they may be zero.
    """
    # From the offset directly: subtracting two far points would lose digits.
    offset = xyz - jnp.broadcast_to(ray_origins, xyz.shape)
    dirs = jnp.broadcast_to(ray_dirs, xyz.shape)
    along = jnp.sum(offset * dirs, axis=-1, keepdims=True)
    return offset - jnp.maximum(along, 0.0) * dirs
