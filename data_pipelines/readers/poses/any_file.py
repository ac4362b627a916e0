"""Reads and writes poses in any supported format, by the ending of the file."""

import os
import pathlib

from data_pipelines.ground import pose_file
from data_pipelines.readers.poses import array_file, bvh_file, csv_file, json_file
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

READABLE = (".npz", ".npy", ".csv", ".json", ".bvh")
WRITABLE = (".npz", ".csv", ".json", ".bvh")


def read(
    path: str | os.PathLike, *, skeleton: str | None = None, fps: float | None = None
) -> pose_file.PoseFile:
    """Reads and validates poses; docs/pose_files.md describes the formats.

    Args:
        path: the file; .npz, .npy, .csv, .json or .bvh.
        skeleton: of the joints, where the file does not name it.
        fps: frames per second, where the file has no times.

    Raises:
        errors.BadInput: the file cannot be read, lacks something that no argument
            gives, or is not in metres and seconds.
    """
    path = pathlib.Path(path)
    try:
        body = skeletons.by_name(skeleton) if skeleton else None
    except ValueError as error:
        raise errors.BadInput(f"--skeleton: {error}") from error
    if fps is not None and not 0 < fps < 1000:
        raise errors.BadInput(f"--fps={fps:g} is no frame rate")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        pose = array_file.read(path, body, fps)
    elif suffix == ".csv":
        pose = csv_file.read(path, body, fps)
    elif suffix == ".json":
        pose = json_file.read(path, body, fps)
    elif suffix == ".bvh":
        pose = bvh_file.read(path, body)
    elif suffix == ".npz" or not path.exists():
        pose = pose_file.read(path)
    else:
        raise errors.BadInput(
            f"{path} is no pose file: its ending must be one of {', '.join(READABLE)}"
        )
    if body is not None and body.joints != skeletons.by_name(pose.skeleton).joints:
        raise errors.BadInput(
            f"{path} has skeleton {pose.skeleton}, not --skeleton={body.name}; "
            "--mode=convert --to_skeleton converts"
        )
    return pose


def write(path: str | os.PathLike, pose: pose_file.PoseFile) -> list[str]:
    """Validates poses and writes them atomically.

    Args:
        path: the file; .npz, .csv, .json or .bvh.
        pose: the poses.

    Returns:
        One line for each thing that the format cannot hold.

    Raises:
        errors.BadInput: the poses are wrong, or the file cannot be written.
    """
    path = pathlib.Path(path)
    check_writable(path)
    pose = pose_file.checked(pose, str(path))
    suffix = path.suffix.lower()
    if suffix == ".bvh":
        return bvh_file.write(path, pose)
    if suffix == ".csv":
        return csv_file.write(path, pose)
    if suffix == ".json":
        json_file.write(path, pose)
    else:
        pose_file.write(path, pose)
    return []


def check_writable(path: pathlib.Path) -> None:
    """Checks the ending of a file to write.

    Raises:
        errors.BadInput: it is none of `WRITABLE`.
    """
    if path.suffix.lower() not in WRITABLE:
        raise errors.BadInput(
            f"poses are written as {', '.join(WRITABLE)}, got {path.name}"
        )
