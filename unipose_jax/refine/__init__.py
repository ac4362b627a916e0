"""Refinement of anybody's poses: less noise, steady bones, nothing learned."""

from unipose_jax.refine import (
    noise,
    observations,
    offline,
    online,
    person_ids,
    residual_terms,
    robust,
    segments,
    solver,
    swaps,
)
from unipose_jax.refine.observations import Clouds, Keypoints
from unipose_jax.refine.offline import Refined, SolverSchedule, refine

__all__ = [
    "Clouds",
    "SolverSchedule",
    "Keypoints",
    "Refined",
    "observations",
    "noise",
    "online",
    "person_ids",
    "refine",
    "robust",
    "segments",
    "offline",
    "solver",
    "swaps",
    "residual_terms",
]
