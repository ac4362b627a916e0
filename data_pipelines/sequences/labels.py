"""Labels of a sequence for training: 3D truth, visibility and what is missing."""

import numpy as np

from data_pipelines.sequences.sequence import Sequence
from unipose_jax import skeleton as skeletons

# Metres; a surface this far in front of a joint occludes it.
_OCCLUSION_DEPTH = 0.2


def read_truth(source: Sequence, skeleton: str) -> np.ndarray:
    """Ground truth in `skeleton`: float32 (frames, joints, 3), NaN where unknown."""
    pose = source.joints()
    if pose is None:
        joints = skeletons.by_name(skeleton).num_joints
        return np.full((len(source), joints, 3), np.nan, np.float32)
    xyz = np.where(pose.is_valid()[..., None], pose.xyz, np.nan).astype(np.float32)
    return np.asarray(skeletons.convert(xyz, pose.skeleton, skeleton)[0], np.float32)


def unusable_reason(source: Sequence, known: np.ndarray, confidence: np.ndarray) -> str:
    """Why a sequence cannot be used for training; "" if it can."""
    if known.any() or confidence.any():
        return ""
    return (
        f"{source.name} has no keypoints to train on: there is no keypoints.json, or "
        "no entry belongs to a frame (image_id is the number in the depth file's name)"
    )


def missing_joints_reason(source: Sequence, skeleton: str) -> str:
    """Message: joints without keypoints, and skeletons whose joints all have some."""
    lacking = source.missing_joints(skeleton)
    if not lacking:
        return ""
    fitting = [name for name in skeletons.NAMES if not source.missing_joints(name)]
    advice = (
        f"choose another skeleton with --config.data.skeleton: {', '.join(fitting)}"
        if fitting
        else "no skeleton has only these joints; adapt weights that predict them"
    )
    missing = ", ".join(lacking)
    return f"{source.name}: the keypoints have no {missing} of {skeleton}; {advice}"


def is_visible(xyz: np.ndarray, depth: np.ndarray, source: Sequence) -> np.ndarray:
    """Whether no surface is more than 0.2 m in front of a joint: bool (joints,)."""
    camera = source.depth_camera
    uv = np.nan_to_num(camera.distort_uv(camera.project(xyz)), nan=-1.0)
    u, v = np.floor(np.clip(uv, -1, 1e6)).astype(int).T
    inside = (u >= 0) & (v >= 0) & (u < depth.shape[1]) & (v < depth.shape[0])
    surface = np.where(inside, depth[v * inside, u * inside], 0.0)
    return (surface == 0) | (surface > xyz[:, 2] - _OCCLUSION_DEPTH)
