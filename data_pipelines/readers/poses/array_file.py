"""NPY files: joints as one array (frames, joints, 3), metres."""

import pathlib

import numpy as np

from data_pipelines.ground import file_io, pose_file
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

_MAX_BYTES = 4 << 30


def read(
    path: pathlib.Path, skeleton: skeletons.Skeleton | None, fps: float | None
) -> pose_file.PoseFile:
    """Reads an array of joints; NaN means missing.

    Args:
        path: the file.
        skeleton: of the joints; required.
        fps: frames per second; required.

    Raises:
        errors.BadInput: the array is no (frames, joints, 3) of the skeleton.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise errors.BadInput(f"{path} is larger than 4 GiB")
        xyz = np.load(path, allow_pickle=False)
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    except errors.BadInput:
        raise
    except (MemoryError, *file_io.DAMAGED_NPZ) as error:
        line = str(error).partition("\n")[0]
        raise errors.BadInput(f"{path} is not an array (.npy): {line}") from error
    if not isinstance(xyz, np.ndarray) or xyz.ndim != 3 or xyz.shape[-1] != 3:
        raise errors.BadInput(
            f"{path} has shape {np.shape(xyz)}, expected (frames, joints, 3)"
        )
    if skeleton is None:
        raise errors.BadInput(
            f"{path} names no joints: give --skeleton, for its {xyz.shape[1]} joints "
            f"one of {', '.join(_of_size(xyz.shape[1])) or 'docs/skeletons.md'}"
        )
    return pose_file.as_read(
        pose_file.PoseFile(
            xyz=xyz,
            confidence=np.ones(xyz.shape[:2], np.float32),
            skeleton=skeleton.name,
            time=frame_times(path, len(xyz), fps),
        ),
        str(path),
    )


def frame_times(path: pathlib.Path, frames: int, fps: float | None) -> np.ndarray:
    """Times of evenly spaced frames, seconds.

    Raises:
        errors.BadInput: there is no frame rate.
    """
    if fps is None:
        raise errors.BadInput(f"{path} has no times: give --fps")
    return np.arange(frames) / fps


def _of_size(joints: int) -> list[str]:
    names = (*skeletons.NAMES, *skeletons.TRACKERS)
    return [name for name in names if skeletons.by_name(name).num_joints == joints]
