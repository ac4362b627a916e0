"""Pose files: written by `predict`, read by `score`, `refine` and viewers.

An `.npz` with `xyz`, `confidence`, `skeleton`, `time` and the optional fields `uv`,
`intrinsics`, `valid`, `frame` and `quality`. docs/refinement.md lists shapes and units.
"""

import dataclasses
import os
import pathlib
import zipfile

import numpy as np

from data_pipelines.ground import file_io
from unipose_jax import atomic, errors
from unipose_jax import skeleton as skeletons

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
        """Returns `valid`, or all True if the file has no such field."""
        if self.valid is None:
            return np.ones(self.confidence.shape, bool)
        return self.valid

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
    "time": (("T",), np.float64, "fiu"),
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
        for name, value in dataclasses.asdict(_checked(pose, str(path))).items()
        if value is not None
    }
    with atomic.replacing(path) as aside:
        np.savez_compressed(aside, **fields)


def read(path: str | os.PathLike) -> PoseFile:
    """Reads and validates a pose file, without unpickling.

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
    return _checked(PoseFile(skeleton=str(name), **fields), str(path))


def _checked(pose: PoseFile, where: str) -> PoseFile:
    """Converts fields to their exact dtypes; raises for the first wrong field."""
    try:
        num_joints = skeletons.by_name(pose.skeleton).num_joints
    except ValueError as error:
        raise errors.BadInput(f"{where}: {error}") from error
    sizes: dict[str | int, int] = {"J": num_joints}
    arrays: dict[str, np.ndarray] = {}
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
        arrays[name] = value.astype(dtype)
    pose = PoseFile(skeleton=pose.skeleton, **arrays)
    _check_values(pose, where)
    return pose


def _check_values(pose: PoseFile, where: str) -> None:
    """Raises for the first field with an invalid value."""
    if len(pose) == 0:
        raise errors.BadInput(f"{where} has no frames")
    if not np.isfinite(pose.xyz[pose.is_valid()]).all():
        raise errors.BadInput(f"{where}: 'xyz' is not finite at a valid joint")
    if not ((pose.confidence >= 0) & (pose.confidence <= 1)).all():
        raise errors.BadInput(f"{where}: 'confidence' is outside [0, 1]")
    if not np.isfinite(pose.time).all() or (np.diff(pose.time) < 0).any():
        raise errors.BadInput(f"{where}: 'time' decreases or is not finite")
    if pose.intrinsics is not None and not (
        np.isfinite(pose.intrinsics).all() and (pose.intrinsics[:2] > 0).all()
    ):
        raise errors.BadInput(f"{where}: 'intrinsics' has no positive focal lengths")
