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
class PoseEstimate:
    """Joints of one person in each frame."""

    xyz: Array  # (*batch, frames, joints, 3), metres, depth-camera frame
    confidence_logit: Array  # (*batch, frames, joints); sigmoid is the confidence
    crop: CropEstimate | None = None  # of networks that look at crops
    parts: dict[str, "PoseEstimate"] | None = None  # by modality, where several vote
