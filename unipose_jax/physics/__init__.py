"""Limits of human bodies, with their sources, and by how much a pose breaks them."""

from unipose_jax.physics import capsules, finite_differences, limits, residuals

__all__ = ["capsules", "finite_differences", "limits", "residuals"]
