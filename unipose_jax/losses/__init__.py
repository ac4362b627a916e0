"""Loss terms: arrays in, `WeightedMean` out; no model, config or device inside."""

from unipose_jax.losses import (
    anatomy,
    crops,
    keypoints,
    lifting,
    motion,
    objective,
    surface,
)

__all__ = [
    "anatomy",
    "crops",
    "keypoints",
    "lifting",
    "motion",
    "objective",
    "surface",
]
