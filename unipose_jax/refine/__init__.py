"""Refinement of pose sequences from any source by robust least squares.

Reduces jitter, keeps bone lengths constant and corrects outliers and left/right swaps,
without learned parameters.
"""

from unipose_jax.refine import (
    bone_statistics,
    lasting_errors,
    noise,
    observations,
    offline,
    online,
    padding,
    person_ids,
    residual_terms,
    robust,
    segments,
    side_sequences,
    solver,
    swaps,
    tracks,
)
from unipose_jax.refine.observations import Clouds, Keypoints, Prior
from unipose_jax.refine.offline import Refined, SolverSchedule, refine

__all__ = [
    "Clouds",
    "Keypoints",
    "Prior",
    "Refined",
    "SolverSchedule",
    "bone_statistics",
    "lasting_errors",
    "noise",
    "observations",
    "offline",
    "online",
    "padding",
    "person_ids",
    "refine",
    "residual_terms",
    "robust",
    "segments",
    "side_sequences",
    "solver",
    "swaps",
    "tracks",
]
