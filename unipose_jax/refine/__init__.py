"""Refinement of anybody's poses: less noise, steady bones, nothing learned."""

from unipose_jax.refine import (
    evidence,
    noise,
    online,
    people,
    robust,
    runs,
    sequence,
    solver,
    swaps,
    terms,
)
from unipose_jax.refine.evidence import Clouds, Keypoints
from unipose_jax.refine.sequence import Effort, Refined, refine

__all__ = [
    "Clouds",
    "Effort",
    "Keypoints",
    "Refined",
    "evidence",
    "noise",
    "online",
    "people",
    "refine",
    "robust",
    "runs",
    "sequence",
    "solver",
    "swaps",
    "terms",
]
