"""What pose networks return, whatever they look at."""

import dataclasses

import jax
from jaxtyping import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CropEstimate:
    """Joints in the pixels of the crop that a network saw, and in its camera."""

    uv: Array  # (*batch, frames, joints, 2), pixels of the crop
    depth: Array  # (*batch, frames, joints), z in the crop's camera, metres
    anchor_uv: Array  # (*batch, frames, joints, 2), pixels: mean of the chosen anchors


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LiftEstimate:
    """What a pose machine found on its way: before its correction, and back in 2D."""

    coarse_xyz: Array  # (*batch, frames, joints, 3), metres, camera frame
    # (*batch, frames, joints, 2), where joints are, by true projection
    camera_projection: Array
    # (*batch, frames, joints, 2), the same, by the learnt projector
    network_projection: Array
    observed: Array  # (*batch, frames, joints, 2), where keypoints are
    # All three on the plane of the viewing frame (models.virtual_camera), by apparent
    # size.


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PoseEstimate:
    """Joints of one person in each frame."""

    xyz: Array  # (*batch, frames, joints, 3), metres, depth-camera frame
    confidence_logit: Array  # (*batch, frames, joints); sigmoid is the confidence
    crop: CropEstimate | None = None  # of networks that look at crops
    lift: LiftEstimate | None = None  # of pose machines
    parts: dict[str, "PoseEstimate"] | None = None  # by modality, where several vote


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class RankEstimate:
    """What a network says of the order of keypoints by depth, and of where they are."""

    depth: Array  # (batch, people, joints), of no unit; larger is farther away
    heatmap_log_prob: Array  # (batch, people, joints), of all cells, the keypoint's own
