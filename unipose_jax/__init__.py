"""Weakly supervised 3D human pose from RGB-D, in JAX."""
