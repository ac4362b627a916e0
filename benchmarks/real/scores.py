"""Scores of poses with and without 3D truth; arrays in, numbers out.

Poses are NaN where a method finds no joint.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

THRESHOLD = 0.10  # metres


def position(
    xyz: Float[np.ndarray, "frames joints 3"],
    truth: Float[np.ndarray, "frames joints 3"],
) -> dict[str, float]:
    """mAP@10cm in per cent, and MPJPE in millimetres.

    A joint that is not found is not within 10 cm; MPJPE is the mean over those found.

    Args:
        xyz: predicted joints, metres.
        truth: metres, same frame.
    """
    error = np.linalg.norm(xyz - truth, axis=-1)
    found = np.isfinite(error)
    within = np.where(found, error, np.inf) < THRESHOLD
    return {
        "map_10cm": float(100.0 * within.mean()),
        "mpjpe_mm": float(1e3 * error[found].mean()) if found.any() else float("nan"),
        "missing": int((~found).sum()),
    }


def within_by_joint(
    xyz: Float[np.ndarray, "frames joints 3"],
    truth: Float[np.ndarray, "frames joints 3"],
) -> Float[np.ndarray, " joints"]:
    """Share of the frames in which each joint is within 10 cm, in per cent."""
    error = np.linalg.norm(xyz - truth, axis=-1)
    return 100.0 * (np.nan_to_num(error, nan=np.inf) < THRESHOLD).mean(axis=0)


def relative_to(
    xyz: Float[np.ndarray, "frames joints 3"], root: Sequence[int]
) -> Float[np.ndarray, "frames joints 3"]:
    """Joints minus the mean of the joints `root`, metres."""
    return xyz - xyz[:, np.asarray(root)].mean(axis=1, keepdims=True)


def scatter_mm(
    xyz_world: Float[np.ndarray, "frames joints 3"],
) -> Float[np.ndarray, " joints"]:
    """RMS distance of each joint from its median over the frames, millimetres.

    A joint found in fewer than two frames has NaN.

    Args:
        xyz_world: of a person at rest, metres.
    """
    found = np.isfinite(xyz_world).all(axis=-1)
    several = found.sum(axis=0) > 1
    spread = np.full(xyz_world.shape[1], np.nan)
    for joint in np.flatnonzero(several):
        places = xyz_world[found[:, joint], joint]
        away = places - np.median(places, axis=0)
        spread[joint] = 1e3 * np.sqrt((away**2).sum(axis=-1).mean())
    return spread


def jitter_mm(xyz: Float[np.ndarray, "frames joints 3"]) -> float:
    """Mean distance that a joint moves from frame to frame, millimetres."""
    step = np.linalg.norm(np.diff(xyz, axis=0), axis=-1)
    return float(1e3 * np.nanmean(step)) if np.isfinite(step).any() else float("nan")


def bone_cm(
    xyz: Float[np.ndarray, "frames joints 3"], first: int, second: int
) -> tuple[float, float]:
    """Mean and standard deviation over the frames of the length of a bone, cm."""
    length = 100.0 * np.linalg.norm(xyz[:, first] - xyz[:, second], axis=-1)
    length = length[np.isfinite(length)]
    if not len(length):
        return float("nan"), float("nan")
    return float(length.mean()), float(length.std())


def lateral_mm(
    xyz: Float[np.ndarray, "joints 3"],
    uv: Float[np.ndarray, "joints 2"],
    intrinsics: Float[np.ndarray, "4"],
    known: Bool[np.ndarray, " joints"],
) -> Float[np.ndarray, " joints"]:
    """Distance from joints to marks in a picture, across the line of sight, mm.

    The distance in pixels times depth by focal length; NaN where there is no mark.

    Args:
        xyz: predicted joints, metres, frame of the picture's camera.
        uv: the marks, undistorted pixels.
        intrinsics: (fx, fy, cx, cy), pixels.
        known: joints that have a mark.
    """
    depth = xyz[:, 2:]
    offset = (uv - intrinsics[2:]) / intrinsics[:2] * depth - xyz[:, :2]
    return np.where(known, 1e3 * np.linalg.norm(offset, axis=-1), np.nan)
