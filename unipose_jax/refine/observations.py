"""What is known of a sequence beside its joints: keypoints and clouds."""

import dataclasses

import jax
from jaxtyping import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Keypoints:
    """2D keypoints of every frame, undistorted.

    Their camera may be another than the joints': `cam_from_xyz` leads to it.
    """

    uv: Array  # (time, joints, 2), pixels; ignored, even if NaN, without confidence
    confidence: Array  # (time, joints), in [0, 1]
    intrinsics: Array  # (4,): fx, fy, cx, cy, pixels
    cam_from_xyz: Array  # (4, 4), rigid, metres


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Clouds:
    """Points of the person's visible surface, in the frame of the joints.

    The depth camera is its origin and looks along z.
    """

    points: Array  # (time, points, 3), metres; ignored, even if NaN, where not valid
    valid: Array  # (time, points), bool
