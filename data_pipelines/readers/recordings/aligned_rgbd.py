"""Converts recordings of Open3D's and RealSense's recorders to recording folders.

    color/000000.jpg ...   depth/000000.png ...   camera_intrinsic.json

Depth is aligned to colour, so both have the same camera. `camera_intrinsic.json` is the
format of Open3D: width, height and `intrinsic_matrix`, nine numbers in column-major
order. If Open3D unpacks a RealSense .bag (`RGBDVideoReader.save_frames`), the file is
called `intrinsic.json` and also has `fps` and `depth_scale`, counts per metre.
"""

import math
import os
import pathlib
import shutil
from typing import Any

import numpy as np
import tqdm

from data_pipelines.cameras import calibration, camera_file
from data_pipelines.ground import file_io
from data_pipelines.readers.recordings import image_files
from unipose_jax import atomic, errors

_PIXEL_CENTER = 0.5  # librealsense and Open3D: first pixel centre at (0, 0)
_IMAGES = (".jpg", ".jpeg", ".png")
_CAMERA_FILES = ("camera_intrinsic.json", "intrinsic.json")
_FPS, _DEPTH_UNIT = 30.0, 0.001  # defaults


def is_source(folder: pathlib.Path) -> bool:
    """Whether a folder has a camera of Open3D and PNG depth beside colour."""
    path = next((folder / n for n in _CAMERA_FILES if (folder / n).is_file()), None)
    kinds = {p.suffix.lower() for p in (folder / "depth").glob("*")}
    if path is None or kinds - {".png"} or not (folder / "color").is_dir():
        return False
    raw = file_io.read_json(path)
    return isinstance(raw, dict) and "intrinsic_matrix" in raw


def convert(
    source: str | os.PathLike,
    output: str | os.PathLike,
    *,
    fps: float | None = None,
    depth_unit: float | None = None,
    mirrored: bool = False,
) -> int:
    """Writes a recording folder from aligned pairs of colour and depth images.

    Each image is checked and copied without re-encoding.

    Args:
        source: folder with `color`, `depth` and the camera file.
        output: the new recording; it must not exist.
        fps: frames per second. None: from the camera file, or 30.
        depth_unit: metres per count of the depth images. None: from the camera file,
            or 0.001.
        mirrored: whether the images are mirror images.

    Returns:
        The number of frames.

    Raises:
        errors.BadInput: a file is missing, an image cannot be read or does not have
            the size of the camera, or colour and depth do not form pairs.
    """
    source = pathlib.Path(source)
    path = _camera_file(source)
    raw = file_io.read_json(path)
    camera = read_camera(path, raw)
    if fps is None:
        fps = _positive_number(path, raw, "fps", _FPS)
    if depth_unit is None:
        depth_unit = 1.0 / _positive_number(path, raw, "depth_scale", 1.0 / _DEPTH_UNIT)
    for name, value in {"fps": fps, "depth_unit": depth_unit}.items():
        if not 0 < value < math.inf:
            raise errors.BadInput(f"--{name}={value:g} is not a positive number")
    if depth_unit > camera_file.MAX_DEPTH_UNIT:
        raise errors.BadInput(
            f"--depth_unit={depth_unit:g}: its unit is metres per count, 0.001 for "
            "millimetres"
        )
    pairs = _pairs(source)
    file_io.check_absent(output)
    with atomic.replacing(output) as folder:
        for kind in ("depth", "color"):
            (folder / kind).mkdir(parents=True)
        shown = tqdm.tqdm(pairs, unit=" frames", disable=None)
        for number, (color, depth) in enumerate(shown):
            image_files.read_depth_png(depth, camera)
            image_files.read_color(color, camera)
            shutil.copyfile(depth, folder / "depth" / f"{number:06d}.png")
            suffix = ".png" if color.suffix.lower() == ".png" else ".jpg"
            shutil.copyfile(color, folder / "color" / f"{number:06d}{suffix}")
        content = {
            "depth": calibration.to_json(camera),
            "color": calibration.to_json(camera),
            "color_from_depth": np.eye(4).tolist(),
            "depth_unit": depth_unit,
            "fps": fps,
        } | ({"mirrored": True} if mirrored else {})
        file_io.write_json(folder / "camera.json", content)
    return len(pairs)


def _camera_file(source: pathlib.Path) -> pathlib.Path:
    for name in _CAMERA_FILES:
        if (source / name).is_file():
            return source / name
    raise errors.BadInput(f"{source} has no {' or '.join(_CAMERA_FILES)}")


def _positive_number(
    path: pathlib.Path, raw: Any, name: str, otherwise: float
) -> float:
    """A positive number from a camera file, or None if the key is missing."""
    value = raw.get(name, otherwise)
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise errors.BadInput(f"{path}: {name} is {value!r}, not a positive number")
    return float(value)


def read_camera(path: pathlib.Path, raw: Any) -> calibration.Camera:
    """Parses a pinhole camera in the format of Open3D.

    Args:
        path: path of the file, for messages.
        raw: parsed content of the file.

    Raises:
        errors.BadInput: the content is not a camera.
    """
    try:
        width, height = (int(raw[key]) for key in ("width", "height"))
        matrix = np.array(raw["intrinsic_matrix"], np.float64).reshape(3, 3, order="F")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise errors.BadInput(
            f"{path}: expected width, height and intrinsic_matrix (9 numbers)"
        ) from error
    focal, center = matrix[[0, 1], [0, 1]], matrix[:2, 2]
    rest = matrix[[0, 1, 2, 2, 2], [1, 0, 0, 1, 2]]
    pinhole = np.isfinite(matrix).all() and (focal > 0).all()
    if not pinhole or rest.tolist() != [0, 0, 0, 0, 1]:
        raise errors.BadInput(
            f"{path}: intrinsic_matrix is not a camera matrix in column-major order"
        )
    camera = calibration.make_camera(width, height, [*focal, *(center + _PIXEL_CENTER)])
    calibration.check_camera(camera, str(path))
    return camera


def _pairs(source: pathlib.Path) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Pairs of colour and depth files with the same name, sorted."""
    found = []
    for kind in ("color", "depth"):
        listed = (source / kind).glob("*") if (source / kind).is_dir() else ()
        pictures = {p.stem: p for p in listed if p.suffix.lower() in _IMAGES}
        if not pictures:
            raise errors.BadInput(f"{source / kind} has no images")
        found.append(pictures)
    color, depth = found
    if alone := sorted(color.keys() ^ depth.keys()):
        kind = "depth" if alone[0] in color else "colour"
        raise errors.BadInput(
            f"{source}: {len(alone)} images have no partner; {alone[0]} has no {kind}"
        )
    return [(color[stem], depth[stem]) for stem in sorted(color)]
