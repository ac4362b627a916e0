"""Weakly supervised 3D human pose from RGB-D, in JAX."""

from unipose_jax import geometry, losses, metrics, refine, skeleton

__all__ = ["geometry", "losses", "metrics", "refine", "skeleton"]
