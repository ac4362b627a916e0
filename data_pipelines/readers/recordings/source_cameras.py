"""Camera files of other tools beside their images."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from data_pipelines.cameras import calibration, camera_file, camera_keys
from data_pipelines.ground import file_io
from unipose_jax import errors

_NAMES = (
    *("camera.json", "camera_intrinsic.json", "intrinsic.json", "intrinsics.json"),
    *("camera_info.json", "calibration.json", "camera_params.json"),
)


@dataclasses.dataclass(frozen=True, eq=False)
class SourceCameras:
    """Cameras of a folder; what its file does not say is None."""

    depth: calibration.Camera
    color: calibration.Camera | None = None
    color_from_depth: np.ndarray | None = None
    depth_unit: float | None = None
    fps: float | None = None


def read(folder: pathlib.Path) -> SourceCameras | None:
    """Cameras of a folder, or None without a camera file.

    A file has one camera (Open3D, RealSense's intrinsics, ROS's camera_info), which is
    that of depth and of colour aligned to it, or `depth` and `color` as in camera.json.

    Raises:
        errors.BadInput: the file cannot be used.
    """
    path = next((folder / n for n in _NAMES if (folder / n).is_file()), None)
    if path is None:
        return None
    raw = file_io.read_json(path)
    if not isinstance(raw, dict):
        raise errors.BadInput(f"{path} has no camera")
    if isinstance(raw.get("depth"), dict):
        content = {key: raw[key] for key in raw if key in _OF_CAMERA_JSON}
        file = camera_file.from_json(content | {"depth_unit": 0.001}, path)
        unit = None
        if raw.get("depth_unit") is not None:  # 1 for floating-point metres
            unit = camera_keys.number(raw, "depth_unit", path)
        elif raw.get("depth_scale") is not None:
            unit = camera_file.depth_unit(raw, path)
        return SourceCameras(
            file.depth, file.color, file.color_from_depth, unit, file.fps
        )
    camera = camera_keys.read_camera(_camera_entry(raw, path), str(path))
    return SourceCameras(
        camera,
        camera,
        depth_unit=camera_file.depth_unit(raw, path) if "depth_scale" in raw else None,
        fps=camera_keys.number(raw, "fps", path)
        if raw.get("fps") is not None
        else None,
    )


_OF_CAMERA_JSON = (*("depth", "color", "color_from_depth", "fps"),)


def _camera_entry(raw: dict[str, Any], path: pathlib.Path) -> dict[str, Any]:
    """The keys of a camera in a file of an SDK, which also has others."""
    entry = {key: value for key, value in raw.items() if key in camera_keys.KEYS}
    for key in raw.keys() - entry.keys():
        near = camera_keys.similar(key, camera_keys.KEYS, 0.8)
        if near is not None and near not in raw:
            raise errors.BadInput(
                f"{path}: unknown key {key!r}; did you mean {near!r}?"
            )
    return entry
