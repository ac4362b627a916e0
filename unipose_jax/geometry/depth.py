"""Depth maps and point clouds: pixels to points, z-depth to range, surface depth.

`depth` is the z coordinate, `range` the distance to the camera centre, metres; zero
means no measurement. Row i, column j of a map has its centre at (j + 0.5, i + 0.5).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import camera


def pixel_centers(height: int, width: int) -> Float[Array, "h w 2"]:
    """Pixel coordinates (u, v) of the centres of all pixels."""
    v, u = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    return jnp.stack([u, v], axis=-1).astype(jnp.float32) + 0.5


def xyz_from_depth(
    depth: Float[Array, "*batch h w"], intrinsics: Float[Array, "*#batch 4"]
) -> Float[Array, "*batch h w 3"]:
    """One point per pixel of a depth map; pixels without depth give the origin.

    Args:
        depth: z coordinate, metres, 0 where there is none.
        intrinsics: (fx, fy, cx, cy), pixels.

    Returns:
        Points, metres, camera frame.
    """
    *batch, height, width = depth.shape
    uv = pixel_centers(height, width).reshape(-1, 2)
    # Not in the dtype of the depth: bfloat16 does not hold 256.5.
    uv = jnp.broadcast_to(uv, (*batch, height * width, 2))
    flat = depth.reshape(*batch, height * width)
    return camera.xyz_from_uv_depth(uv, flat, intrinsics).reshape(*depth.shape, 3)


def range_from_depth(
    depth: Float[Array, "*batch h w"], intrinsics: Float[Array, "*#batch 4"]
) -> Float[Array, "*batch h w"]:
    """Distance to the camera centre from a map of z coordinates, metres."""
    return depth * _range_per_depth(depth, intrinsics)


def depth_from_range(
    distance: Float[Array, "*batch h w"], intrinsics: Float[Array, "*#batch 4"]
) -> Float[Array, "*batch h w"]:
    """Z coordinates from a map of distances to the camera centre, metres."""
    return distance / _range_per_depth(distance, intrinsics)


def sample_depth(
    depth: Float[Array, "*batch h w"], uv: Float[Array, "*batch n 2"]
) -> Float[Array, "*batch n"]:
    """Depth of the pixel that contains each position; 0 outside the map.

    Args:
        depth: z coordinate, metres, 0 where there is none.
        uv: positions, pixels. NaN counts as outside.

    Returns:
        Depths, metres. Nearest pixel, never interpolated across an edge.
    """
    *batch, height, width = depth.shape
    size = jnp.broadcast_to(jnp.array([width, height], uv.dtype), uv.shape)
    inside = jnp.all((uv >= 0.0) & (uv < size), axis=-1)
    column_row = jnp.where(inside[..., None], uv, 0.0).astype(jnp.int32)
    index = column_row[..., 1] * width + column_row[..., 0]
    flat = depth.reshape(*batch, height * width)
    return jnp.where(inside, jnp.take_along_axis(flat, index, axis=-1), 0.0)


def surface_depth(
    xyz: Float[Array, "*batch joints 3"],
    points: Float[Array, "*batch points 3"],
    *,
    points_valid: Bool[Array, "*batch points"],
    radius: float = 0.05,
    lateral_penalty: float = 0.2,
    temperature: float = 0.01,
) -> tuple[Float[Array, "*batch joints"], Bool[Array, "*batch joints"]]:
    r"""Depth of the visible surface on each joint's line of sight, from a point cloud.

    With $l_n$ the distance of point $n$ from the line of sight, $z_n$ its depth, $\rho$
    the radius, $\lambda$ the lateral penalty and $\tau$ the temperature, over the
    points with $l_n < \rho$,

    $$ s = \frac{\sum_n z_n\, e^{-c_n / \tau}}{\sum_n e^{-c_n / \tau}}, \qquad
    c_n = z_n + \lambda\, (l_n / \rho)^2. $$

    This soft minimum does not depend on the density of points. It is the depth of a
    limb in front of the torso where the limb is closer by more than its lateral
    penalty.

    The result has no gradient: it is an observation, constant for the surface losses.

    Args:
        xyz: joints, metres, camera frame.
        points: cloud of the visible surface, metres, camera frame.
        points_valid: False removes the point, whatever it holds, NaN included.
        radius: points further from the line of sight are ignored, metres.
        lateral_penalty: depth added to a point at `radius`, metres.
        temperature: smoothing of the minimum, metres.

    Returns:
        Depth of the surface, metres, 0 where invalid; and whether it is valid: the
        joint is in front of the camera and a point is within `radius`.
    """
    xyz, points = jax.lax.stop_gradient((xyz, points))
    points = jnp.where(points_valid[..., None], points, 0.0)
    z = points[..., None, :, 2]
    in_front = jnp.isfinite(xyz).all(axis=-1) & (xyz[..., 2] > 0.0)
    xyz = jnp.where(in_front[..., None], xyz, jnp.array([0.0, 0.0, 1.0], xyz.dtype))

    sq = _sq_distance_to_sight(xyz, points) / radius**2
    support = points_valid[..., None, :] & (sq < 1.0)
    cost = jnp.where(support, z + lateral_penalty * sq, jnp.inf)
    lowest = jnp.min(cost, axis=-1, keepdims=True)
    weight = jnp.exp(jnp.where(support, lowest - cost, -jnp.inf) / temperature)
    total = jnp.sum(weight, axis=-1)
    valid = in_front & (total > 0.0)
    depth = jnp.sum(weight * z, axis=-1) / jnp.where(valid, total, 1.0)
    return jnp.where(valid, depth, 0.0), valid


def _sq_distance_to_sight(xyz, points):
    """Squared distance |q x d|^2 of every point q to the sight line d of every joint.

    The cross product keeps digits that |q|^2 - (q . d)^2 would cancel.
    """
    dirs = xyz / jnp.sqrt(jnp.sum(xyz**2, axis=-1, keepdims=True))
    dx, dy, dz = jnp.moveaxis(dirs[..., :, None, :], -1, 0)
    x, y, z = jnp.moveaxis(points[..., None, :, :], -1, 0)
    return (y * dz - z * dy) ** 2 + (z * dx - x * dz) ** 2 + (x * dy - y * dx) ** 2


def _range_per_depth(grid, intrinsics):
    """Length of (x / z, y / z, 1) at every pixel centre of a map."""
    xyz = xyz_from_depth(jnp.ones_like(grid), intrinsics)
    return jnp.sqrt(jnp.sum(xyz**2, axis=-1))
