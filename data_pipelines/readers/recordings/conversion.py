"""Converts recordings of other tools to recording folders.

Readers of formats return a `Source`: files or arrays of depth and colour, frame by
frame, their cameras and times. `write` makes the folder.
"""

import dataclasses
import math
import os
import pathlib
import shutil
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
import tqdm

from data_pipelines.cameras import calibration, camera_file, frame_times
from data_pipelines.ground import file_io
from data_pipelines.readers.recordings import depth_files, image_files
from unipose_jax import atomic, errors

_LARGEST = 65535  # uint16
_MILLIMETRE = 0.001


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """A recording of another tool, ready to be written."""

    frames: Sequence[tuple[Any, Any]] | Iterable[tuple[Any, Any]]
    # Depth and colour of each frame: paths, or arrays (RGB); colour may be None.
    depth_camera: calibration.Camera
    color_camera: calibration.Camera | None = None
    color_from_depth: np.ndarray | None = None  # 4x4, metres; None for the identity
    depth_unit: float | None = None  # metres per unit of depth, for sure
    file_unit: float | None = None  # the same, as a file says: of counts, often
    time: np.ndarray | None = None  # seconds of each frame
    fps: float | None = None
    world_from_depth: np.ndarray | None = None  # (frames, 4, 4)
    mirrored: bool = False


def write(source: Source, output: str | os.PathLike) -> int:
    """Writes a recording folder atomically.

    16-bit PNG depth and PNG or JPEG colour are copied; other depth is stored in
    millimetres.

    Returns:
        The number of frames.

    Raises:
        errors.BadInput: a file cannot be read or does not have the camera's size.
    """
    file_io.check_absent(output)
    unit = source.depth_unit
    with atomic.replacing(output) as folder:
        (folder / "depth").mkdir(parents=True)
        count, stored = 0, None
        for depth, color in tqdm.tqdm(source.frames, unit=" frames", disable=None):
            place = folder / "depth" / f"{count:06d}.png"
            unit, is_count = _write_depth(depth, place, source, unit)
            if stored not in (None, is_count):
                raise errors.BadInput(f"{depth}: depth files have different types")
            stored = is_count
            if color is not None and source.color_camera is not None:
                (folder / "color").mkdir(exist_ok=True)
                _write_color(color, folder / "color" / f"{count:06d}", source)
            count += 1
        if not count:
            raise errors.BadInput("the recording has no frames")
        if unit is None or not stored:
            unit = _MILLIMETRE
        content = camera_json(source, unit)
        file_io.write_json(folder / "camera.json", content)
    return count


def _write_depth(
    depth: Any, place: pathlib.Path, source: Source, unit: float | None
) -> tuple[float, bool]:
    """Stores a depth map.

    Args:
        depth: file or array.
        place: PNG to write.
        source: of the depth map.
        unit: metres per unit of depth; None in the first frame, if it is not known.

    Returns:
        The unit, and whether depth is stored in counts of it.
    """
    values = depth_files.read(depth) if isinstance(depth, pathlib.Path) else depth
    where = depth if isinstance(depth, pathlib.Path) else place
    image_files.check_size(where, values.shape[::-1], source.depth_camera)
    if values.dtype == np.uint16:
        if isinstance(depth, pathlib.Path) and depth.suffix.lower() == ".png":
            shutil.copyfile(depth, place)
        else:
            _save(place, values)
        unit = unit or source.file_unit or _MILLIMETRE
        check_unit(unit, "depth_unit")
        return unit, True
    if unit is None:
        unit = source.file_unit or _MILLIMETRE
        if values.dtype.kind == "f":
            unit = depth_files.unit_of_floats(values, source.file_unit, where)
    known = np.isfinite(values) & (values > 0)
    counts = np.rint(np.where(known, values, 0.0) * (unit / _MILLIMETRE))
    _save(place, np.where(counts < _LARGEST, counts, 0).astype(np.uint16))
    return unit, False


def _write_color(color: Any, place: pathlib.Path, source: Source) -> None:
    camera = source.color_camera
    assert camera is not None
    if not isinstance(color, pathlib.Path):
        image_files.check_size(place, color.shape[1::-1], camera)
        _save(place.with_suffix(".png"), color[..., ::-1])
        return
    image = image_files.read_color(color, camera)
    suffix = color.suffix.lower()
    if suffix in (".png", ".jpg", ".jpeg"):
        shutil.copyfile(color, place.with_suffix(suffix))
    else:
        _save(place.with_suffix(".png"), image[..., ::-1])


def _save(path: pathlib.Path, image: np.ndarray) -> None:
    if not cv2.imwrite(str(path), np.ascontiguousarray(image)):
        raise errors.BadInput(f"cannot write {path}; is the disk full?")


def camera_json(source: Source, depth_unit: float) -> dict[str, Any]:
    """Content of camera.json.

    Args:
        source: the recording.
        depth_unit: metres per stored count.
    """
    content = {
        "depth": calibration.to_json(source.depth_camera),
        "depth_unit": depth_unit,
    }
    if source.time is not None:
        content["time"] = np.asarray(source.time - source.time[0], np.float64).tolist()
    else:
        content["fps"] = source.fps
    if source.color_camera is not None:
        pose = np.eye(4) if source.color_from_depth is None else source.color_from_depth
        content["color"] = calibration.to_json(source.color_camera)
        content["color_from_depth"] = np.asarray(pose, np.float64).tolist()
    if source.world_from_depth is not None:
        poses = np.asarray(source.world_from_depth, np.float64)
        content["world_from_depth"] = poses.tolist()
    return content | ({"mirrored": True} if source.mirrored else {})


def check_options(fps: float | None, depth_unit: float | None) -> None:
    """Checks the flags of the user.

    Raises:
        errors.BadInput: one is not positive, or no rate or unit of a camera.
    """
    for name, value in {"fps": fps, "depth_unit": depth_unit}.items():
        if value is not None and not 0 < value < math.inf:
            raise errors.BadInput(f"--{name}={value:g} is not a positive number")
    if fps is not None:
        frame_times.check_rate(fps, "--fps")


def check_unit(depth_unit: float, where: str) -> None:
    """Checks metres per count.

    Raises:
        errors.BadInput: it is too large.
    """
    if depth_unit > camera_file.MAX_DEPTH_UNIT:
        raise errors.BadInput(
            f"{where}={depth_unit:g}: unit is metres per count; 0.001 for millimetres"
        )
