"""Converts poses between file formats and skeletons: `run.py --mode=convert`."""

import dataclasses
import pathlib

import numpy as np

from data_pipelines.ground import file_io, pose_file
from data_pipelines.readers.poses import any_file
from unipose_jax import errors, skeleton
from unipose_jax.cli import refinement_page, viewers


def is_pose_file(source: pathlib.Path, output: pathlib.Path) -> bool:
    """Whether `--mode=convert` converts poses: by the endings, and no folder."""
    endings = (source.suffix.lower(), output.suffix.lower())
    if source.is_dir() or endings[1] not in (*any_file.WRITABLE, ".rrd"):
        return False
    return endings[0] in any_file.READABLE


def convert_poses(
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    skeleton_name: str | None = None,
    fps: float | None = None,
    target: str | None = None,
) -> int:
    """Writes poses in the format of the output, and optionally for another skeleton.

    Args:
        source: .npz, .npy, .csv, .json or .bvh.
        output: .npz, .csv, .json, .bvh, or .rrd for the viewer of rerun.
        skeleton_name: of the joints, where the source does not name it.
        fps: frames per second, where the source has no times.
        target: skeleton to convert to; joints that cannot be derived are missing.

    Raises:
        errors.BadInput: the source cannot be read or the output not written.
    """
    poses = any_file.read(source, skeleton=skeleton_name, fps=fps)
    if target is not None:
        poses = to_skeleton(poses, target)
    file_io.check_writable(output)
    if output.suffix.lower() == ".rrd":
        shown = refinement_page.poses_scene(source.stem, {"poses": poses})
        viewers.show("rerun", shown, output)
    else:
        for line in any_file.write(output, poses):
            print(line)
    known = poses.is_valid()
    print(
        f"{len(poses)} frames of {poses.skeleton}, {int((~known).sum())} of "
        f"{known.size} joints missing: {output}"
    )
    return 0


def to_skeleton(poses: pose_file.PoseFile, target: str) -> pose_file.PoseFile:
    """Poses with the joints of another skeleton, shared or midpoints of others.

    The confidence of a midpoint is the mean of its parts; it is valid where all are.

    Raises:
        errors.BadInput: there is no such skeleton, or it shares no joint.
    """
    try:
        body = skeleton.by_name(target)
    except ValueError as error:
        raise errors.BadInput(f"--to_skeleton: {error}") from error
    source = skeleton.by_name(poses.skeleton)
    known = poses.is_valid()
    seen = np.where(known[..., None], poses.xyz, np.nan)
    converted, found = skeleton.convert(seen, source, body, derive=True)
    xyz = np.asarray(converted, np.float32)
    if not found.any():
        raise errors.BadInput(f"{source.name} and {body.name} share no joint")
    confidence, _ = skeleton.convert(
        poses.confidence[..., None], source, body, derive=True
    )
    uv = poses.uv
    if uv is not None:
        uv = np.asarray(skeleton.convert(uv, source, body)[0], np.float32)
    return dataclasses.replace(
        poses,
        xyz=xyz,
        confidence=np.nan_to_num(np.asarray(confidence)[..., 0]),
        skeleton=body.name,
        uv=uv,
        valid=np.all(np.isfinite(xyz), axis=-1),
    )
