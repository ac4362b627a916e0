"""Metrics of pose accuracy, as means that add over batches and devices."""

from unipose_jax.metrics.groups import (
    lower_body,
    root,
    upper_body,
    within_distance,
    within_facing_angle,
)
from unipose_jax.metrics.kinematic_errors import accel_error, bone_length_error
from unipose_jax.metrics.position import (
    auc,
    map_10cm,
    mpjpe,
    pa_mpjpe,
    pck,
    root_mpjpe,
)
from unipose_jax.metrics.summaries import accumulate, summarize, summary

__all__ = [
    "accel_error",
    "accumulate",
    "auc",
    "bone_length_error",
    "lower_body",
    "map_10cm",
    "mpjpe",
    "pa_mpjpe",
    "pck",
    "root",
    "root_mpjpe",
    "summarize",
    "summary",
    "upper_body",
    "within_distance",
    "within_facing_angle",
]
