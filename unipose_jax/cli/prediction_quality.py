"""Which predicted frames can be relied on."""

import numpy as np

from data_pipelines.ground import pose_file
from unipose_jax import pose_quality, skeleton
from unipose_jax.physics import anthropometry, constraints

_SMALL, _TALL = 1.4, 2.15  # metres; estimates for standing adults are 1.55 to 2.05


def quality(pose: pose_file.PoseFile) -> np.ndarray:
    """Mean confidence over the joints of each frame: (frames,), 0 without a pose."""
    known = np.isfinite(pose.xyz).all(axis=-1)
    return np.where(known, pose.confidence, 0.0).mean(axis=1).astype(np.float32)


def stature(pose: pose_file.PoseFile) -> float:
    """Median stature over the frames with a pose, from bone lengths, metres."""
    known = np.isfinite(pose.xyz).all(axis=-1) & pose.is_valid()
    frames = known.any(axis=1)
    estimates = constraints.estimate_stature(
        np.nan_to_num(pose.xyz[frames]),
        skeleton=skeleton.by_name(pose.skeleton),
        weight=np.where(known, pose.confidence, 0.0)[frames],
    )
    return float(np.median(estimates))


def summary(pose: pose_file.PoseFile) -> str:
    """One line: frames with a person, how many are doubtful, and likely causes."""
    found = pose.is_valid().any(axis=1)
    line = f"{found.sum()} of {len(pose)} frames show a person"
    height = stature(pose) if found.any() else anthropometry.STATURE
    if not _SMALL < height < _TALL:
        line += (
            f", who seems to be {height:.2f} m tall: a child, a wrong depth_unit, fx "
            "or fy, or poses that are wrong, as of adults seen from above or lying down"
        )
    if pose.quality is None:
        return line
    doubtful = found & (pose.quality < pose_quality.DOUBTFUL)
    if not doubtful.any():
        return line
    return (
        f"{line}; {doubtful.sum()} of them are doubtful (quality below "
        f"{pose_quality.DOUBTFUL:g}): furniture or another object instead of a person, "
        "a camera that is turned or looks from above, or a person who lies, is very "
        "small or mostly outside the picture"
    )
