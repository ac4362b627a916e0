"""Pose files: written by `predict`, read by `score`, `refine` and viewers.

An `.npz` with `xyz`, `confidence`, `skeleton`, `time` and the optional fields `uv`,
`intrinsics`, `valid`, `frame` and `quality`. docs/pose_files.md lists them.
`readers.poses.any_file` also reads and writes the formats of other tools.
"""

import dataclasses
import os
import pathlib
import zipfile
from typing import Any

import numpy as np

from data_pipelines.ground import file_io
from unipose_jax import atomic, errors
from unipose_jax import skeleton as skeletons
from unipose_jax.skeleton import units

_MAX_BYTES = 4 << 30  # ten hours at 60 Hz take 0.9 GB


@dataclasses.dataclass(frozen=True)
class PoseFile:
    """Poses of one person over time: T frames, J joints.

    `xyz` may be NaN where `valid` is False and is finite elsewhere.
    """

    xyz: np.ndarray  # float32 (T, J, 3), metres, camera frame
    confidence: np.ndarray  # float32 (T, J), in [0, 1]
    skeleton: str  # name for `unipose_jax.skeleton.by_name`
    time: np.ndarray  # float64 (T,), seconds
    uv: np.ndarray | None = None  # float32 (T, J, 2), pixels
    intrinsics: np.ndarray | None = None  # float32 (4,): fx, fy, cx, cy, pixels
    valid: np.ndarray | None = None  # bool (T, J); None means all
    frame: np.ndarray | None = None  # int64 (T,), frame number in the recording
    quality: np.ndarray | None = None  # float32 (T,), in [0, 1], 0 without a person

    def __len__(self) -> int:
        return len(self.xyz)

    def is_valid(self) -> np.ndarray:
        """Mask of the joints that are known: `valid`, and of confidence above 0."""
        known = self.confidence > 0
        return known if self.valid is None else known & self.valid

    def part(self, first: int, stop: int) -> "PoseFile":
        """Returns frames `first` to `stop` (exclusive)."""
        fields = {
            name: getattr(self, name)
            for name, (axes, *_) in _ARRAYS.items()
            if axes[0] == "T"
        }
        return dataclasses.replace(
            self, **{n: v[first:stop] for n, v in fields.items() if v is not None}
        )


# Field: axes, dtype to convert to, kinds of dtype accepted.
_ARRAYS = {
    "xyz": (("T", "J", 3), np.float32, "f"),
    "confidence": (("T", "J"), np.float32, "f"),
    "time": (("T",), np.float64, "fiuM"),
    "uv": (("T", "J", 2), np.float32, "f"),
    "intrinsics": ((4,), np.float32, "f"),
    "valid": (("T", "J"), np.bool_, "b"),
    "frame": (("T",), np.int64, "iu"),
    "quality": (("T",), np.float32, "f"),
}
_OPTIONAL = ("uv", "intrinsics", "valid", "frame", "quality")


def write(path: str | os.PathLike, pose: PoseFile) -> None:
    """Validates poses and writes them to a pose file atomically.

    Args:
        path: must end in .npz.
        pose: the poses.

    Raises:
        errors.BadInput: a field is wrong, or `path` cannot be written.
    """
    path = pathlib.Path(path)
    if path.suffix != ".npz":
        raise errors.BadInput(f"a pose file must end in .npz, got {path}")
    fields = {
        name: value
        for name, value in dataclasses.asdict(checked(pose, str(path))).items()
        if value is not None
    }
    with atomic.replacing(path) as aside:
        np.savez_compressed(aside, **fields)


def read(path: str | os.PathLike) -> PoseFile:
    """Reads and validates a pose file, without unpickling.

    Joints that are NaN in a file without `valid`, and joints at exactly (0, 0, 0),
    become invalid.

    Raises:
        errors.BadInput: the file cannot be read or a field is wrong; the message names
            the first one.
    """
    path = pathlib.Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > _MAX_BYTES:
            raise errors.BadInput(
                f"{path} unpacks to {size} bytes, too many for a pose file"
            )
        with np.load(path, allow_pickle=False) as archive:
            _refuse_other_tools(archive.files, path)
            fields = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    except errors.BadInput:
        raise
    except (MemoryError, *file_io.DAMAGED_NPZ) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise errors.BadInput(f"{path} is not a pose file (.npz): {line}") from error
    required = {"xyz", "confidence", "skeleton", "time"}
    for name in sorted(required - fields.keys()):
        raise errors.BadInput(f"{path} has no field {name!r}; it has {sorted(fields)}")
    for name in sorted(fields.keys() - required - set(_OPTIONAL)):
        raise errors.BadInput(f"{path} has an unknown field {name!r}")
    name = fields.pop("skeleton")
    if name.ndim != 0 or name.dtype.kind != "U":
        raise errors.BadInput(f"{path}: field 'skeleton' must be one string")
    return as_read(PoseFile(skeleton=str(name), **fields), str(path))


# Arrays of files that VideoPose3D and its successors write.
_VIDEOPOSE = {"positions_3d", "positions_2d", "reconstruction"}


def _refuse_other_tools(names: list[str], path: pathlib.Path) -> None:
    if "xyz" not in names and (found := sorted(_VIDEOPOSE & set(names))):
        raise errors.BadInput(
            f"{path} holds {found[0]!r}, as VideoPose3D's files do: it names no "
            "skeleton, time or unit; save the (frames, joints, 3) array in metres as "
            ".npy and give --skeleton=H36M17 and --fps"
        )


def as_read(pose: PoseFile, where: str) -> PoseFile:
    """Validates poses from outside: fields, lost joints and units.

    Args:
        pose: the poses.
        where: the file, for messages.

    Raises:
        errors.BadInput: a field is wrong, or not in metres or seconds.
    """
    times = np.asarray(pose.time)  # the conversion to float hides frame numbers
    xyz = np.asarray(pose.xyz)
    if pose.valid is None and xyz.dtype.kind == "f" and np.isnan(xyz).any():
        valid = np.all(np.isfinite(xyz), axis=-1)
        pose = dataclasses.replace(pose, valid=valid)
    pose = checked(pose, where)
    pose = _without_zeros(pose, where)
    body, known = skeletons.by_name(pose.skeleton), pose.is_valid()
    try:
        units.check_seconds(times if times.dtype.kind in "iu" else pose.time)
        units.check_metres(pose.xyz, skeleton=body, valid=known)
        units.check_frame_numbers(pose.time, pose.xyz, valid=known)
    except ValueError as error:
        raise errors.BadInput(f"{where}: {error}") from error
    length = units.limb_length(pose.xyz, skeleton=body, valid=known)
    if length < units.MIN_LIMB or length > units.MAX_LIMB:
        errors.warn(
            f"{where}: arms and legs are {length:.3g} m long (median of their"
            " bones): is this a person, in metres?"
        )
    return pose


def _without_zeros(pose: PoseFile, where: str) -> PoseFile:
    """Marks joints at the origin as invalid; trackers write lost joints so.

    A joint that is there in every frame is the origin of poses relative to a root.
    """
    valid = pose.is_valid()
    zero = (pose.xyz == 0).all(axis=-1) & valid
    always = zero.any(axis=0) & (zero | ~valid).all(axis=0)
    if always.sum() == 1:
        zero = zero & ~always
    if not zero.any():
        return pose
    errors.warn(
        f"{where}: {int(zero.sum())} joints are at exactly (0, 0, 0) and count"
        " as missing"
    )
    known = np.ones_like(zero) if pose.valid is None else pose.valid
    return dataclasses.replace(pose, valid=known & ~zero)


def checked(pose: PoseFile, where: str) -> PoseFile:
    """Converts fields to their exact dtypes, and the skeleton to its own name.

    Args:
        pose: the poses.
        where: the file, for messages.

    Raises:
        errors.BadInput: names the first wrong field.
    """
    try:
        skeleton = skeletons.by_name(pose.skeleton)
    except ValueError as error:
        raise errors.BadInput(f"{where}: {error}") from error
    sizes: dict[str | int, int] = {"J": skeleton.num_joints}
    arrays: dict[str, Any] = {}
    for name, (axes, dtype, kinds) in _ARRAYS.items():
        value = getattr(pose, name)
        if value is None and name in _OPTIONAL:
            continue
        value = np.asarray(value)
        if value.dtype.kind not in kinds:
            raise errors.BadInput(f"{where}: field {name!r} has dtype {value.dtype}")
        shape = tuple(sizes.get(axis, axis) for axis in axes)
        if value.ndim != len(axes) or any(
            size != sizes.setdefault(axis, size)
            if isinstance(axis, str)
            else size != axis
            for axis, size in zip(axes, value.shape, strict=True)
        ):
            raise errors.BadInput(
                f"{where}: field {name!r} has shape {value.shape}, expected {shape}"
                f" for skeleton {pose.skeleton!r}"
            )
        if value.dtype.kind == "M":  # dates: seconds since 1970
            value = np.where(
                np.isnat(value), np.nan, value.astype("M8[ns]").astype(np.int64) * 1e-9
            )
        with np.errstate(over="ignore"):  # infinite values are refused below
            arrays[name] = value.astype(dtype)
    pose = PoseFile(skeleton=skeleton.name, **arrays)
    _check_values(pose, where)
    return pose


def _check_values(pose: PoseFile, where: str) -> None:
    """Raises for the first field with an invalid value."""
    if len(pose) == 0:
        raise errors.BadInput(f"{where} has no frames")
    if not np.isfinite(pose.xyz[pose.is_valid()]).all():
        raise errors.BadInput(f"{where}: 'xyz' is not finite at a valid joint")
    if not ((pose.confidence >= 0) & (pose.confidence <= 1)).all():
        raise errors.BadInput(
            f"{where}: 'confidence' is outside [0, 1]{_confidence_scale(pose)}"
        )
    if not np.isfinite(pose.time).all() or (np.diff(pose.time) < 0).any():
        raise errors.BadInput(f"{where}: 'time' decreases or is not finite")
    if pose.intrinsics is not None and not (
        np.isfinite(pose.intrinsics).all() and (pose.intrinsics[:2] > 0).all()
    ):
        raise errors.BadInput(f"{where}: 'intrinsics' has no positive focal lengths")


def _confidence_scale(pose: PoseFile) -> str:
    """What the confidence may be, for the message."""
    confidence = pose.confidence
    if not np.isfinite(confidence).all() or confidence.min() < 0:
        return ""
    if confidence.max() <= 3 and (confidence == np.round(confidence)).all():
        return ": levels 0 to 3, as of Azure Kinect? Divide by 3"
    return ": percent, as of ZED? Divide by 100" if confidence.max() <= 100 else ""
