"""Outputs of the networks."""

import dataclasses

import jax
from jaxtyping import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CropEstimate:
    """Joints in the pixels of the input crop, and their depth in its camera."""

    uv: Array  # (*batch, frames, joints, 2), pixels of the crop
    depth: Array  # (*batch, frames, joints), z in the crop's camera, metres
    anchor_uv: Array  # (*batch, frames, joints, 2), pixels: mean of the chosen anchors
    # (*batch, frames, joints, bins), logits of the depth relative to the person
    # (anchor_head.bin_centers); None if depth is regressed
    depth_logits: Array | None = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LiftEstimate:
    """Intermediate outputs of a pose machine: coarse joints and 2D projections."""

    coarse_xyz: Array  # (*batch, frames, joints, 3), metres, camera frame
    # (*batch, frames, joints, 2), joints projected by the camera model
    camera_projection: Array
    # (*batch, frames, joints, 2), joints projected by the learnt projector
    network_projection: Array
    observed: Array  # (*batch, frames, joints, 2), input keypoints
    # The last three are on the image plane of the virtual camera
    # (models.virtual_camera), divided by the apparent size.


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PoseEstimate:
    """Joints of one person in each frame."""

    xyz: Array  # (*batch, frames, joints, 3), metres, depth-camera frame
    confidence_logit: Array  # (*batch, frames, joints); sigmoid is the confidence
    crop: CropEstimate | None = None  # only networks with crops as input
    lift: LiftEstimate | None = None  # only pose machines
    parts: dict[str, "PoseEstimate"] | None = None  # by modality, if there are several
    # (*batch, frames, joints), metres: learnt depth below the skin, minus that of
    # `physics.anthropometry`; only networks with a convention head
    skin_shift: Array | None = None
    # The same as `xyz`, without gradient to the offsets of the convention head
    fixed_offset_xyz: Array | None = None
    # (*batch, frames, points, body parts), only networks with the head `point_parts`;
    # 0 where a point is not valid
    part_logits: Array | None = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class RankEstimate:
    """Relative depth of keypoints, and the heatmaps' log-probability at them."""

    depth: Array  # (batch, people, joints), without a unit; larger is farther away
    heatmap_log_prob: Array  # (batch, people, joints), in the cell of each keypoint
