"""Observations of a sequence besides its 3D joints: keypoints, clouds, a prior."""

import dataclasses

import jax
from jaxtyping import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Keypoints:
    """2D keypoints of every frame, undistorted.

    `cam_from_xyz` transforms the frame of the joints to that of the keypoint camera.
    """

    uv: Array  # (time, joints, 2), pixels; ignored, even if NaN, at confidence 0
    confidence: Array  # (time, joints), in [0, 1]
    intrinsics: Array  # (4,): fx, fy, cx, cy, pixels
    cam_from_xyz: Array  # (4, 4), rigid, metres


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Clouds:
    """Points on the visible surface of the person, in the frame of the joints.

    This frame must be that of the depth camera: origin at its centre, z forward.
    """

    points: Array  # (time, points, 3), metres; ignored, even if NaN, where not valid
    valid: Array  # (time, points), bool
    # (joints,), metres, of joints below the surface; None: those of `anthropometry`
    skin_depth: Array | None = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Prior:
    """Joints as a model of human motion predicts them from the observed ones."""

    prior_xyz: Array  # (time, joints, 3), metres, frame of the joints
    # (time, joints), metres per coordinate; not finite where nothing is predicted
    prior_sd: Array
