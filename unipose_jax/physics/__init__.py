"""Limits of human bodies, with their sources, and by how much a pose breaks them."""

from unipose_jax.physics import finite_differences, limits, residuals

__all__ = ["finite_differences", "limits", "residuals"]
