"""Loss terms: arrays in, `WeightedMean` out; no model, config or device inside."""

from unipose_jax.losses import (
    agreement,
    anatomy,
    crops,
    keypoints,
    lifting,
    motion,
    objective,
    ranking,
    surface,
)

__all__ = [
    "agreement",
    "anatomy",
    "crops",
    "keypoints",
    "lifting",
    "motion",
    "objective",
    "ranking",
    "surface",
]
