"""Folders of depth files, with or without colour, and a camera file.

    depth/ (or the folder itself)   color/ or rgb/   camera.json, intrinsic.json, ...

Frames are sorted by the numbers or time stamps in their names.
"""

import pathlib

import numpy as np

from data_pipelines.readers.recordings import (
    conversion,
    depth_files,
    file_names,
    source_cameras,
)
from unipose_jax import errors

_DEPTH = ("depth", "Depth", "depths", "depth_images", "depth_raw", "aligned_depth")
_COLOR = ("color", "rgb", "colour", "Color", "RGB", "image", "images")
_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm")
_FPS = 30.0
_MAX_APART = 0.02  # seconds between a depth map and its colour image


def read(
    folder: pathlib.Path, *, fps: float | None, depth_unit: float | None
) -> conversion.Source:
    """Reads a folder of depth files.

    Args:
        folder: that holds the folder `depth`, or the depth files themselves.
        fps: frames per second; None: from time stamps in the names, the camera file,
            or 30, which is said.
        depth_unit: metres per unit of the files; None: from the camera file, or
            millimetres for whole numbers, and metres or millimetres for others.

    Raises:
        errors.BadInput: there are no depth files or no camera.
    """
    inside = next(
        (folder / name for name in _DEPTH if (folder / name).is_dir()), folder
    )
    depth = _files(inside, depth_files.SUFFIXES)
    if not depth:
        raise errors.BadInput(
            f"{folder} has no depth files ({', '.join(depth_files.SUFFIXES)}) in depth/"
        )
    found = source_cameras.read(folder)
    if found is None:
        raise errors.BadInput(
            f"{folder} has no camera file: write camera_intrinsic.json with width, "
            "height, fx, fy, cx, cy (pixel centres at +0.5)"
        )
    color = _colors(folder, depth)
    time = None if fps is not None else file_names.times(depth)
    if time is None and fps is None:
        fps = found.fps
        if fps is None:
            fps = _FPS
            errors.warn(f"{folder}: no frame rate is known; 30 is taken (--fps)")
    return conversion.Source(
        frames=list(zip(depth, color, strict=True)),
        depth_camera=found.depth,
        color_camera=found.color if any(color) else None,
        color_from_depth=found.color_from_depth,
        depth_unit=depth_unit,
        file_unit=found.depth_unit,
        time=time,
        fps=fps,
    )


def _files(folder: pathlib.Path, suffixes: tuple[str, ...]) -> list[pathlib.Path]:
    found = [path for path in folder.glob("*") if path.suffix.lower() in suffixes]
    return file_names.in_order(found)


def _colors(
    folder: pathlib.Path, depth: list[pathlib.Path]
) -> list[pathlib.Path | None]:
    """The colour image of each depth file: of its name, number or time."""
    inside = next((folder / name for name in _COLOR if (folder / name).is_dir()), None)
    color = [] if inside is None else _files(inside, _IMAGES)
    if not color:
        return [None] * len(depth)
    by_name = {path.stem: path for path in color}
    if all(path.stem in by_name for path in depth):
        return [by_name[path.stem] for path in depth]
    times, color_times = file_names.times(depth), file_names.times(color)
    if times is not None and color_times is not None:
        apart = np.abs(times[:, None] - color_times)
        nearest = apart.argmin(axis=1)
        close = apart.min(axis=1) <= _MAX_APART
        return [
            color[i] if near else None for i, near in zip(nearest, close, strict=True)
        ]
    by_number = {file_names.number(path): path for path in color}
    numbers = [file_names.number(path) for path in depth]
    if len(by_number) == len(color) and set(numbers) == by_number.keys() - {None}:
        return [by_number[number] for number in numbers]
    raise errors.BadInput(
        f"{folder}: colour and depth files have different names and numbers, for "
        f"example {color[0].name} and {depth[0].name}"
    )
