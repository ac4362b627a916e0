"""Refinement of anybody's poses: less noise, steady bones, nothing learned."""

from unipose_jax.refine import (
    evidence,
    noise,
    people,
    robust,
    runs,
    sequence,
    solver,
    swaps,
    terms,
)
from unipose_jax.refine.evidence import Clouds, Keypoints
from unipose_jax.refine.sequence import Refined, refine

__all__ = [
    "Clouds",
    "Keypoints",
    "Refined",
    "evidence",
    "noise",
    "people",
    "refine",
    "robust",
    "runs",
    "sequence",
    "solver",
    "swaps",
    "terms",
]
