"""Pixels, rays, points, depth maps, image warps and rigid transforms, in pure JAX."""

from unipose_jax.geometry import (
    camera,
    depth,
    depth_lookup,
    numerics,
    point_cloud,
    rays,
    square_crop,
    transforms,
    warp,
)

__all__ = [
    "camera",
    "depth",
    "depth_lookup",
    "numerics",
    "point_cloud",
    "rays",
    "square_crop",
    "transforms",
    "warp",
]
