"""JSON files with the fields of a pose file as lists; null means missing."""

import pathlib
from typing import Any

import numpy as np

from data_pipelines.ground import file_io, pose_file
from data_pipelines.readers.poses import array_file
from unipose_jax import errors
from unipose_jax import skeleton as skeletons
from unipose_jax.skeleton import names

_LISTS = (
    *("xyz", "confidence", "time", "uv", "intrinsics", "valid", "frame"),
    "quality",
)
_KNOWN = {*_LISTS, "skeleton", "joints", "unit", "fps"}
_DECIMALS = 6  # of metres and pixels


def read(
    path: pathlib.Path, skeleton: skeletons.Skeleton | None, fps: float | None
) -> pose_file.PoseFile:
    """Reads poses from JSON.

    Args:
        path: the file.
        skeleton: of the joints, if the file has neither `skeleton` nor `joints`.
        fps: frames per second, if the file has neither `time` nor `fps`.

    Raises:
        errors.BadInput: a field is missing or wrong.
    """
    content = file_io.read_json(path)
    if not isinstance(content, dict) or "xyz" not in content:
        raise errors.BadInput(
            f"{path} has no field 'xyz': see docs/pose_files.md for the format"
        )
    for name in sorted(content.keys() - _KNOWN):
        raise errors.BadInput(f"{path} has an unknown field {name!r}")
    if content.get("unit", "m") != "m":
        raise errors.BadInput(
            f"{path} has unit {content['unit']!r}; only metres ('m') are read"
        )
    fields = {name: content[name] for name in _LISTS if content.get(name) is not None}
    arrays = {name: _array(value, name, path) for name, value in fields.items()}
    xyz = arrays["xyz"]
    if xyz.ndim != 3 or xyz.shape[-1] != 3:
        raise errors.BadInput(
            f"{path}: 'xyz' has shape {xyz.shape}, expected (frames, joints, 3)"
        )
    if "time" not in arrays:
        rate = content.get("fps", fps)
        if rate is not None and not (isinstance(rate, int | float) and rate > 0):
            raise errors.BadInput(f"{path}: 'fps' is {rate!r}, expected a number")
        arrays["time"] = array_file.frame_times(path, len(xyz), rate)
    arrays.setdefault("confidence", np.ones(xyz.shape[:2], np.float32))
    name = _skeleton_name(content, skeleton, path)
    return pose_file.as_read(pose_file.PoseFile(skeleton=name, **arrays), str(path))


def write(path: pathlib.Path, pose: pose_file.PoseFile) -> None:
    """Writes poses as JSON.

    Raises:
        errors.BadInput: the file cannot be written.
    """
    body = skeletons.by_name(pose.skeleton)
    content: dict[str, Any] = {"skeleton": body.name, "joints": body.joints}
    content["unit"] = "m"
    for name in _LISTS:
        value = getattr(pose, name)
        if value is not None:
            decimals = 9 if name == "time" else _DECIMALS
            content[name] = _plain(value, decimals)
    file_io.write_json(path, content)


def _plain(value: np.ndarray, decimals: int) -> list:
    """Nested lists of an array, with null for what is not finite."""
    if value.dtype.kind != "f":
        return value.tolist()
    rounded = np.round(value.astype(np.float64), decimals).astype(object)
    rounded[~np.isfinite(value)] = None
    return rounded.tolist()


def _array(value: Any, name: str, path: pathlib.Path) -> np.ndarray:
    """The array of a field, with NaN for null."""
    if name == "xyz" and isinstance(value, list):
        value = [_frame_joints(frame) for frame in value]
    try:
        if name in ("valid", "frame"):
            return np.array(value)
        found = np.array(value)
        whole = found.dtype.kind in "iu" and name == "time"  # may count frames
        return found if whole else np.array(value, np.float64)
    except (ValueError, TypeError) as error:
        raise errors.BadInput(
            f"{path}: field {name!r} is no regular list of numbers"
        ) from error


def _frame_joints(frame: Any) -> Any:
    """The joints of a frame, with three NaN for each joint that is null."""
    if not isinstance(frame, list):
        return frame
    return [[np.nan] * 3 if joint is None else joint for joint in frame]


def _skeleton_name(
    content: dict, skeleton: skeletons.Skeleton | None, path: pathlib.Path
) -> str:
    """The skeleton that the file names or lists, or the one that is given."""
    name, joints = content.get("skeleton"), content.get("joints")
    if name is None and joints is None:
        if skeleton is None:
            raise errors.BadInput(f"{path} names no skeleton: give --skeleton")
        return skeleton.name
    if name is not None and not isinstance(name, str):
        raise errors.BadInput(f"{path}: 'skeleton' must be a string")
    try:
        if name is None and skeleton is not None:
            name = skeleton.name
        body = skeletons.by_name(name) if name else names.find_skeleton(joints or [])
        order = None if joints is None else [names.find_joint(j, body) for j in joints]
    except (ValueError, TypeError, AttributeError) as error:
        raise errors.BadInput(f"{path}: {error}") from error
    if order is not None and order != list(range(body.num_joints)):
        raise errors.BadInput(
            f"{path}: 'joints' are not those of {body.name} in their order"
        )
    return body.name
