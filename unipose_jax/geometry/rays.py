"""Camera rays in any frame, and distances of points from them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import camera, numerics, transforms


def rays_from_uv(
    uv: Float[Array, "*batch n 2"],
    intrinsics: Float[Array, "*#batch 4"],
    frame_from_cam: Float[Array, "*#batch 4 4"],
) -> tuple[Float[Array, "*batch n 3"], Float[Array, "*batch n 3"]]:
    """Rays through undistorted pixels, in another frame than that of the camera.

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
    length still decreases towards the camera.

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


def ray_agreement(
    xyz: Float[Array, "*batch joints 3"],
    uv: Float[Array, "*batch joints 2"],
    intrinsics: Float[Array, "*#batch 4"],
    *,
    where: Bool[Array, "*batch joints"] | None = None,
    scale: float = 0.05,
    cam_from_xyz: Float[Array, "*#batch 4 4"] | None = None,
) -> Float[Array, "*batch joints"]:
    r"""Gaussian agreement of joints with the rays of their keypoints, in [0, 1].

    $e^{-\lVert r \rVert^2 / (2 \sigma^2)}$ with $\sigma$ = `scale` and $r$ from the
    joint to its keypoint's ray: the target of a predicted confidence, or the weight of
    a pseudo-label.

    Args:
        xyz: joints, metres, camera frame (any, with `cam_from_xyz`).
        uv: observed keypoints, undistorted pixels.
        intrinsics: (fx, fy, cx, cy) of the keypoints' camera, pixels.
        where: joints that have a keypoint; default: all. Others give 0, whatever they
            hold.
        scale: distance to the ray at which the agreement is $e^{-1/2} = 0.61$, metres.
        cam_from_xyz: moves `xyz` to the keypoints' camera where that is another one.

    Returns:
        Agreement of each joint, cut off from the gradient.
    """
    xyz, uv = fill_masked_keypoints(xyz, uv, intrinsics, where)
    if cam_from_xyz is not None:
        xyz = transforms.apply(cam_from_xyz, xyz)
    ray_dirs = camera.ray_dirs_from_uv(uv, intrinsics)
    residual = point_to_ray_residual(xyz, jnp.zeros(3, xyz.dtype), ray_dirs)
    agreement = jnp.exp(-0.5 * jnp.sum(residual**2, axis=-1) / scale**2)
    return jax.lax.stop_gradient(numerics.fill_masked(agreement, where))


def fill_masked_keypoints(
    xyz: Float[Array, "*batch joints 3"],
    uv: Float[Array, "*batch joints 2"],
    intrinsics: Float[Array, "*#batch 4"],
    where: Bool[Array, "*batch joints"] | None,
) -> tuple[Float[Array, "*batch joints 3"], Float[Array, "*batch joints 2"]]:
    """Replaces joints and keypoints outside `where`, so that no NaN enters a formula.

    Args:
        xyz: joints, metres; (0, 0, 1) stands in for masked ones.
        uv: keypoints, pixels; the principal point stands in for masked ones.
        intrinsics: (fx, fy, cx, cy) of the keypoints' camera, pixels.
        where: joints that have a keypoint; None keeps all.
    """
    if where is None:
        return xyz, uv
    ahead = jnp.broadcast_to(jnp.array([0.0, 0.0, 1.0], xyz.dtype), xyz.shape)
    _, center = camera.focal_and_center(intrinsics, xyz)
    xyz = jnp.where(where[..., None], xyz, ahead)
    return xyz, jnp.where(where[..., None], uv, center)
