"""The file camera.json of a recording (docs/datasets/recording.md)."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipelines.cameras import calibration, camera_keys, frame_times, orientation
from data_pipelines.ground import file_io
from unipose_jax import errors

_MAX_BASELINE = 20.0  # metres between the cameras of one device
MAX_DEPTH_UNIT = 0.1  # metres; above this a person is a few counts thick
_MAX_TIME = 1e20  # of any unit; nanoseconds since 1970 are 2e18
_WORLD_POSE = "world_from_depth"  # key for a moving camera
_KEYS = (
    *("depth", "color", "color_from_depth", "depth_unit", "depth_scale"),
    *("fps", "time", "time_unit", _WORLD_POSE),
    *("up", "mirrored", "invalid", "mask_values", "keypoints", *camera_keys.NOTES),
)
_HINTS = {
    **dict.fromkeys(("rgb", "colour", "color_camera", "colour_camera"), "color"),
    **dict.fromkeys(("depth_camera", "intrinsics", "ir", "camera"), "depth"),
    **dict.fromkeys(("frame_rate", "framerate", "rate", "hz"), "fps"),
    **dict.fromkeys(("timestamps", "timestamp", "times"), "time"),
    **dict.fromkeys(("time_units", "unit", "units"), "time_unit"),
    **dict.fromkeys(("rotation", "orientation", "rotate", "upside_down"), "up"),
    **dict.fromkeys(("mirror", "flip", "flipped", "flip_horizontal"), "mirrored"),
    **dict.fromkeys(("extrinsics", "extrinsic", "depth_to_color"), "color_from_depth"),
    **dict.fromkeys(("invalid_value", "no_depth", "invalid_values"), "invalid"),
    **dict.fromkeys(("mask_value", "person_values", "labels"), "mask_values"),
    **dict.fromkeys(("width", "height", "fx", "fy", "cx", "cy", "k"), "depth"),
    **dict.fromkeys(("depth_factor", "scale", "factor"), "depth_unit"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class CameraFile:
    """Validated content of camera.json; cameras and poses as recorded."""

    depth: calibration.Camera
    color: calibration.Camera | None
    color_from_depth: np.ndarray  # float32 (4, 4), metres
    depth_unit: float  # metres per count of the depth PNG
    fps: float | None
    time: np.ndarray | None  # float64 (frames,), in time_unit
    time_unit: str | None  # a key of frame_times.UNITS; None for seconds
    world_from_depth: np.ndarray | None  # float32 ([frames,] 4, 4), metres
    orientation: orientation.Orientation
    up_is_top: bool  # whether "up": "top" is given
    invalid: tuple[int, ...] | None  # counts that mean no depth; None: not given
    mask_values: tuple[int, ...] | None  # mask pixels of the person; None: not given
    keypoints: Mapping[str, Any] | None = None  # see `keypoints.settings`


def read_camera_file(path: str | os.PathLike) -> CameraFile:
    """Reads and checks camera.json.

    `depth` (width, height, fx, fy, cx, cy, optional distortion) and `depth_unit` are
    required. `color` requires `color_from_depth`. `world_from_depth` is optional: the
    pose of the depth camera in a world frame, one 4x4 or one for each frame.

    Raises:
        errors.BadInput: a key is missing, unknown or wrong; the message names one.
    """
    path = pathlib.Path(path)
    return from_json(file_io.read_json(path), path)


def from_json(raw: Any, path: pathlib.Path) -> CameraFile:
    """Checks the parsed content of camera.json; see `read_camera_file`.

    Raises:
        errors.BadInput: as `read_camera_file`.
    """
    if not isinstance(raw, dict):
        raise errors.BadInput(f"{path} has no 'depth' camera")
    camera_keys.check_spelling(raw, _KEYS, str(path), _HINTS)
    raw = {key: value for key, value in raw.items() if value is not None}
    if not isinstance(raw.get("depth"), dict):
        raise errors.BadInput(f"{path} has no 'depth' camera")
    color, color_from_depth = None, np.eye(4, dtype=np.float32)
    if "color" in raw:
        color = camera_keys.read_camera(raw["color"], f"{path}: 'color'")
        color_from_depth = _rigid(raw, "color_from_depth", path)
        if np.abs(color_from_depth[:3, 3]).max() > _MAX_BASELINE:
            raise errors.BadInput(
                f"{path}: 'color_from_depth' puts the cameras more than "
                f"{_MAX_BASELINE:g} m apart; its unit is metres"
            )
    fps = camera_keys.number(raw, "fps", path) if "fps" in raw else None
    if fps is not None:
        frame_times.check_rate(fps, str(path))
    if not isinstance(raw.get("keypoints"), dict | None):
        raise errors.BadInput(f"{path}: 'keypoints' is not an object with keys")
    return CameraFile(
        depth=camera_keys.read_camera(raw["depth"], f"{path}: 'depth'"),
        color=color,
        color_from_depth=color_from_depth,
        depth_unit=depth_unit(raw, path),
        fps=fps,
        time=_time(raw, path) if "time" in raw else None,
        time_unit=_choice(raw, "time_unit", tuple(frame_times.UNITS), path),
        world_from_depth=_rigid(raw, _WORLD_POSE, path) if _WORLD_POSE in raw else None,
        orientation=_orientation(raw, path),
        up_is_top=raw.get("up") == "top",
        invalid=_integers(raw, "invalid", 65535, path),
        mask_values=_integers(_person_values(raw, path), "mask_values", 255, path),
        keypoints=raw.get("keypoints"),
    )


def depth_unit(raw: Mapping[str, Any], path: pathlib.Path) -> float:
    """Metres per count, from `depth_unit` or an SDK's `depth_scale`.

    Raises:
        errors.BadInput: it is missing or no such number.
    """
    if "depth_unit" in raw and "depth_scale" in raw:
        raise errors.BadInput(f"{path} has 'depth_unit' and 'depth_scale'; keep one")
    if "depth_scale" in raw:
        scale = camera_keys.number(raw, "depth_scale", path)
        if scale <= MAX_DEPTH_UNIT:  # RealSense: metres per count
            return scale
        if scale >= 1 / MAX_DEPTH_UNIT:  # Open3D and TUM: counts per metre
            return 1 / scale
        raise errors.BadInput(
            f"{path}: 'depth_scale' {scale:g} is neither metres per count (0.001) nor "
            "counts per metre (1000); give 'depth_unit', metres per count"
        )
    unit = camera_keys.number(raw, "depth_unit", path)
    if unit > MAX_DEPTH_UNIT:
        raise errors.BadInput(
            f"{path}: 'depth_unit' {unit:g} is too large; its unit is metres per "
            "count, 0.001 for millimetres"
        )
    return unit


def _time(raw: Mapping[str, Any], path: pathlib.Path) -> np.ndarray:
    given = raw["time"]
    for place, value in enumerate(given if isinstance(given, list) else ()):
        known = isinstance(value, int | float) and not isinstance(value, bool)
        if not known or not abs(value) < _MAX_TIME:
            raise errors.BadInput(
                f"{path}: entry {place} of 'time' is {value!r}, not a number of seconds"
            )
    return camera_keys.array(raw, "time", path)


def _choice(
    raw: Mapping[str, Any], key: str, choices: tuple[str, ...], path: pathlib.Path
) -> str | None:
    if key not in raw:
        return None
    if raw[key] not in choices:
        listed = ", ".join(f'"{choice}"' for choice in choices)
        raise errors.BadInput(f"{path}: {key!r} is {raw[key]!r}; use one of {listed}")
    return raw[key]


def _orientation(raw: Mapping[str, Any], path: pathlib.Path) -> orientation.Orientation:
    up = _choice(raw, "up", tuple(orientation.TURNS), path)
    mirrored = raw.get("mirrored", False)
    if not isinstance(mirrored, bool):
        raise errors.BadInput(f"{path}: 'mirrored' must be true or false")
    return orientation.Orientation(up or "top", mirrored)


def _person_values(raw: Mapping[str, Any], path: pathlib.Path) -> Mapping[str, Any]:
    """`mask_values` as the list of the person's values."""
    given = raw.get("mask_values")
    if isinstance(given, dict):
        if set(given) != {"person"}:
            raise errors.BadInput(
                f"{path}: 'mask_values' lists the mask pixels of the person: [3] or "
                '{"person": [3]}'
            )
        return {"mask_values": given["person"]}
    return raw


def _integers(
    raw: Mapping[str, Any], key: str, largest: int, path: pathlib.Path
) -> tuple[int, ...] | None:
    """Whole numbers from 0 to `largest`: one, or a list."""
    if key not in raw:
        return None
    values = np.atleast_1d(camera_keys.array(raw, key, path))
    if values.ndim > 1 or (values % 1).any() or (values < 0).any():
        raise errors.BadInput(f"{path}: {key!r} must be a whole number or a list")
    if (values > largest).any():
        raise errors.BadInput(
            f"{path}: {key!r} has {values.max():g}, but pixels go up to {largest}"
        )
    return tuple(int(value) for value in values)


def _rigid(entry: Mapping[str, Any], key: str, path: pathlib.Path) -> np.ndarray:
    value = camera_keys.array(entry, key, path)
    fits = value.shape[-2:] == (4, 4) and value.ndim <= (3 if key == _WORLD_POSE else 2)
    value = value if fits else np.zeros((4, 4))
    rotation = value[..., :3, :3]
    gram = rotation @ np.swapaxes(rotation, -1, -2)
    if (
        not np.allclose(gram, np.eye(3), atol=1e-3)
        or not np.all(np.linalg.det(rotation) > 0)  # a reflection is not rigid
        or not np.allclose(value[..., 3, :], [0, 0, 0, 1])  # nor is a transposed matrix
    ):
        raise errors.BadInput(
            f"{path}: {key!r} must be a rigid 4x4 transform as a list of rows"
        )
    return value.astype(np.float32)
