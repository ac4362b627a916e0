"""Human bodies: sizes and limits with their sources, and constraints on poses."""

from unipose_jax.physics import anthropometry, capsules, constraints, finite_differences

__all__ = ["anthropometry", "capsules", "constraints", "finite_differences"]
