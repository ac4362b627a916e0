"""Human bodies: sizes and limits with their sources, and constraints on poses."""

from unipose_jax.physics import (
    anthropometry,
    bone_fill,
    capsules,
    constraints,
    finite_differences,
    skin_depths,
)

__all__ = [
    "anthropometry",
    "bone_fill",
    "capsules",
    "constraints",
    "finite_differences",
    "skin_depths",
]
