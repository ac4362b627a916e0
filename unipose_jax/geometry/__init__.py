"""Pixels, rays, points, depth maps and rigid transforms, in pure JAX."""

from unipose_jax.geometry import camera, depth, numerics, rays, transforms

__all__ = ["camera", "depth", "numerics", "rays", "transforms"]
