"""Converts motion capture (BVH, joint npz) to joint clips for rendered people.

    from data_pipelines.readers.mocap import joint_clips
    joint_clips.write_clips("bvh_folder", "clips.npz")  # --config.data.motion=clips.npz

The clips keep the joint names of the files. `unipose_jax.synthesis.motion.retargeting`
maps them to a full body; it supports the names of CMU's BVH conversions and of the
skeletons of this package.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipelines.readers.mocap import bvh
from data_pipelines.readers.videopose import safe_pickle
from unipose_jax import atomic, errors
from unipose_jax import skeleton as skeletons

# CMU's ASF files have "length 0.45": one unit is 1/0.45 inches. The BVH conversions use
# the same unit; with it, 02_01.bvh matches the sample in metres to 1e-6.
CMU_METRES_PER_UNIT = 0.0254 / 0.45
_MAX_METRES = 100.0  # larger values are corrupt; MSR Action3D has 2.147e9
_RATE_TOLERANCE = 0.02  # relative tolerance of the frame rate
# Clip names reserved by the file of clips or by the function that writes it.
_RESERVED_NAMES = {
    "joint_names",
    "skeleton",
    "fps",
    "up",
    "time",
    "file",
    "allow_pickle",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class JointClips:
    """Clips with the same joints."""

    joint_names: tuple[str, ...]
    clips: dict[str, np.ndarray]  # float32 (frames, joints, 3), metres, by name
    fps: float
    up: str = "y"  # up axis: y, -y or z
    corrupt: int = 0  # number of corrupt frames replaced by NaN


def read_bvh(
    path: str | os.PathLike,
    *,
    metres_per_unit: float = CMU_METRES_PER_UNIT,
    skip_frames: int = 1,
) -> JointClips:
    """Reads a BVH file (see `bvh`) as one clip with the name of the file.

    Args:
        path: the file, with y up.
        metres_per_unit: default: unit of CMU's conversions; 0.01 for centimetres.
        skip_frames: number of frames to drop at the start, where CMU's conversions have
            a T-pose.

    Raises:
        errors.BadInput: the file cannot be read; the message has the line number.
    """
    path = pathlib.Path(path)
    file = bvh.read(path)
    if len(file.xyz) <= skip_frames:
        raise errors.BadInput(f"{path} has only {len(file.xyz)} frames")
    xyz = (file.xyz[skip_frames:] * metres_per_unit).astype(np.float32)
    return JointClips(
        joint_names=file.joint_names, clips={path.stem: xyz}, fps=file.fps
    )


def read_joints(path: str | os.PathLike, *, skip_corrupt: bool = False) -> JointClips:
    """Reads and checks an npz file of joint positions.

    The file has `joint_names` or `skeleton`, clips (frames, joints, 3) in metres under
    any names, and optionally `fps` or `time` (default 30 Hz) and `up` ("y", the
    default, "-y" or "z"). Pose files have this format, too. NaN means missing.

    Args:
        path: the file.
        skip_corrupt: True replaces frames with values beyond 100 m by NaN and counts
            them.

    Raises:
        errors.BadInput: the file has no clips, or a frame is corrupt.
    """
    arrays = safe_pickle.read_npz(path)
    names = _joint_names(arrays, path)
    up = str(arrays.get("up", "-y" if "skeleton" in arrays else "y"))
    if up not in ("y", "-y", "z"):
        raise errors.BadInput(f"{path}: 'up' is {up!r}, expected y, -y or z")
    clips, corrupt = {}, 0
    for name, xyz in arrays.items():
        if np.shape(xyz)[1:] != (len(names), 3) or xyz.dtype.kind != "f":
            continue
        bad = (np.isinf(xyz) | (np.abs(xyz) > _MAX_METRES)).any(axis=(1, 2))
        if bad.any() and not skip_corrupt:
            raise errors.BadInput(
                f"{path}: clip {name!r}, frame {int(bad.argmax())}: a joint is beyond"
                f" {_MAX_METRES:g} m ({int(bad.sum())} such frames in the clip)"
            )
        if name == "xyz":  # name of the single clip in a pose file
            name = pathlib.Path(path).stem
        clips[name] = np.where(bad[:, None, None], np.nan, xyz).astype(np.float32)
        corrupt += int(bad.sum())
    if not clips:
        shape = f"(frames, {len(names)}, 3)"
        raise errors.BadInput(f"{path} has no clip, an array of floats {shape}")
    fps = _frame_rate(arrays, path)
    return JointClips(joint_names=names, clips=clips, fps=fps, up=up, corrupt=corrupt)


def write_clips(
    source: str | os.PathLike,
    output: str | os.PathLike,
    *,
    fps: float = 30.0,
    metres_per_unit: float = CMU_METRES_PER_UNIT,
    skip_frames: int = 1,
    skip_corrupt: bool = False,
) -> list[str]:
    """Converts all .bvh and .npz files under a folder to one file of joint clips.

    Clips are decimated to `fps` by keeping every n-th frame.

    Args:
        source: the folder.
        output: the npz file, for `--config.data.motion`.
        fps: target frames per second; that of each file must be close to a multiple.
        metres_per_unit: unit of the BVH files, see `read_bvh`.
        skip_frames: frames to drop in the BVH files, see `read_bvh`.
        skip_corrupt: True skips unreadable files and replaces corrupt frames by NaN.

    Returns:
        One line for each skipped file and for each file with corrupt frames.

    Raises:
        errors.BadInput: there are no files, a file cannot be read, or files have
            different joints, up axes or frame rates.
    """
    source = pathlib.Path(source)
    paths = [p for p in sorted(source.rglob("*")) if p.suffix in (".bvh", ".npz")]
    motions: dict[pathlib.Path, JointClips] = {}
    skipped = []
    for path in paths:
        try:
            if path.suffix == ".bvh":
                motions[path] = read_bvh(
                    path, metres_per_unit=metres_per_unit, skip_frames=skip_frames
                )
            else:
                motions[path] = read_joints(path, skip_corrupt=skip_corrupt)
        except errors.BadInput as error:
            if not skip_corrupt:
                raise
            skipped.append(str(error))
            continue
        if motions[path].corrupt:
            skipped.append(
                f"{path}: {motions[path].corrupt} corrupt frames replaced by NaN"
            )
    if not motions:
        raise errors.BadInput(f"{source} has no readable .bvh or .npz file")
    first = next(iter(motions.values()))
    fields: dict[str, Any] = {"joint_names": np.array(first.joint_names)}
    fields |= {"fps": fps, "up": first.up} | _merge_clips(motions, fps)
    with atomic.replacing(output) as aside, open(aside, "wb") as file:
        np.savez_compressed(file, **fields)
    return skipped


def _joint_names(arrays: Mapping[str, Any], path: str | os.PathLike) -> tuple[str, ...]:
    """Joint names from the file, or those of the skeleton that it names."""
    if "joint_names" in arrays:
        return tuple(str(name) for name in np.ravel(arrays["joint_names"]))
    try:
        return skeletons.by_name(str(arrays["skeleton"])).joints
    except KeyError as error:
        line = f"{path} has neither 'joint_names' nor 'skeleton'"
        raise errors.BadInput(line) from error
    except ValueError as error:
        raise errors.BadInput(f"{path}: {error}") from error


def _frame_rate(arrays: Mapping[str, Any], path: str | os.PathLike) -> float:
    """Frames per second from `fps`, from `time`, or 30."""
    fps = np.asarray(arrays.get("fps", 30.0))
    if "fps" not in arrays and np.size(arrays.get("time", 0)) > 1:
        fps = 1.0 / np.median(np.diff(arrays["time"]))
    if fps.shape != () or not 1 <= fps <= 1000:
        raise errors.BadInput(f"{path}: {fps} is not a valid frame rate")
    return float(fps)


def _merge_clips(
    motions: Mapping[pathlib.Path, JointClips], fps: float
) -> dict[str, np.ndarray]:
    """Merges all clips at one frame rate; raises if files are incompatible."""
    clips: dict[str, np.ndarray] = {}
    first_path, first = next(iter(motions.items()))
    for path, motion in motions.items():
        if (motion.joint_names, motion.up) != (first.joint_names, first.up):
            raise errors.BadInput(
                f"{path} has other joints or another up axis than {first_path};"
                " convert them from separate folders"
            )
        step = max(1, round(motion.fps / fps))
        if abs(motion.fps / step / fps - 1) > _RATE_TOLERANCE:
            raise errors.BadInput(
                f"{path}: {motion.fps:.4g} frames per second cannot be decimated to"
                f" {fps:g}; choose fps={motion.fps / step:.4g}"
            )
        for name, xyz in motion.clips.items():
            if name in clips or name in _RESERVED_NAMES:
                raise errors.BadInput(
                    f"{path}: the clip name {name!r} is reserved or occurs twice"
                )
            clips[name] = xyz[::step]
    return clips
