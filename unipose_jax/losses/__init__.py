"""Loss functions: arrays in, the penalty of each joint, bone, pair or point out.

They are averaged by the caller: with `.mean()`, or with `reduction.weighted_mean`.
"""

from unipose_jax.losses.anatomy import (
    bone_constancy,
    bone_pair_weights,
    bone_ratio,
    bone_weights,
    hinge_weights,
    joint_limit,
    symmetry,
)
from unipose_jax.losses.confidence import binary_cross_entropy
from unipose_jax.losses.crops import depth_bins, joint_depth, joint_pixel
from unipose_jax.losses.joints import bone_vector, cross_modal, joint_position
from unipose_jax.losses.keypoints import (
    bone_extent,
    point_to_ray,
    reprojection,
    squared_projection_error,
)
from unipose_jax.losses.motion import (
    acceleration,
    acceleration_weights,
    speed,
    speed_weights,
)
from unipose_jax.losses.point_labels import categorical_cross_entropy
from unipose_jax.losses.ranking import pairwise_ranking
from unipose_jax.losses.surface import coverage, surface_distance, surface_hinge

__all__ = [
    "acceleration",
    "acceleration_weights",
    "binary_cross_entropy",
    "bone_constancy",
    "bone_extent",
    "bone_pair_weights",
    "bone_ratio",
    "bone_vector",
    "bone_weights",
    "categorical_cross_entropy",
    "coverage",
    "cross_modal",
    "depth_bins",
    "hinge_weights",
    "joint_depth",
    "joint_limit",
    "joint_pixel",
    "joint_position",
    "pairwise_ranking",
    "point_to_ray",
    "reprojection",
    "speed",
    "speed_weights",
    "squared_projection_error",
    "surface_distance",
    "surface_hinge",
    "symmetry",
]
