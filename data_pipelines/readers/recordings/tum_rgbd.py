"""Folders in the layout of the TUM RGB-D benchmark.

    rgb.txt  depth.txt  [groundtruth.txt]      lines of "seconds file" (or a pose)

Depth has 5000 counts per metre and is aligned to colour. Frames of colour and poses are
associated by time, as in the benchmark's associate.py.
"""

import pathlib
import re

import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.readers.recordings import (
    conversion,
    depth_files,
    source_cameras,
)
from unipose_jax import errors

_DEPTH_UNIT = 1 / 5000
_MAX_APART = 0.02  # seconds between a depth map and its colour or pose
_PIXEL_CENTER = 0.5
_SIZE = (640, 480)
# fx, fy, cx, cy (centres at integers) and distortion of the colour cameras, to which
# depth is aligned: https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats
_PUBLISHED = {
    "freiburg1": (
        (517.3, 516.5, 318.6, 255.3),
        (0.2624, -0.9531, -0.0054, 0.0026, 1.1633),
    ),
    "freiburg2": (
        (520.9, 521.0, 325.1, 249.7),
        (0.2312, -0.7849, -0.0033, -0.0001, 0.9172),
    ),
    "freiburg3": ((535.4, 539.2, 320.1, 247.6), (0.0,) * 5),
}


def is_source(folder: pathlib.Path) -> bool:
    """Whether a folder has the benchmark's list of depth maps."""
    return (folder / "depth.txt").is_file()


def read(folder: pathlib.Path, *, depth_unit: float | None = None) -> conversion.Source:
    """Reads the lists of a folder.

    Args:
        folder: with depth.txt.
        depth_unit: metres per count; None: from a camera file, or 1 / 5000.

    Raises:
        errors.BadInput: a list or a file is missing, or the camera is not known.
    """
    depth_time, depth_rows = _read_list(folder / "depth.txt")
    depth = [_existing(folder, row[0], ("depth",)) for row in depth_rows]
    color: list[pathlib.Path | None] = [None] * len(depth)
    if (folder / "rgb.txt").is_file():
        time, rows = _read_list(folder / "rgb.txt")
        for index, place in _nearest(depth_time, time).items():
            color[index] = _existing(folder, rows[place][0], ("rgb", "color"))
        if not any(color):
            raise errors.BadInput(
                f"{folder}: no colour image is within {_MAX_APART:g} s of a depth map"
            )
    world = None
    if (folder / "groundtruth.txt").is_file():
        kept, world = _poses(folder / "groundtruth.txt", depth_time)
        depth_time = depth_time[kept]
        depth, color = [depth[i] for i in kept], [color[i] for i in kept]
    size = depth_files.read(depth[0]).shape[::-1]
    found = source_cameras.read(folder)
    camera = found.depth if found else _published_camera(folder, size)
    return conversion.Source(
        frames=list(zip(depth, color, strict=True)),
        depth_camera=camera,
        color_camera=camera if any(color) else None,
        depth_unit=depth_unit,
        file_unit=(found.depth_unit if found else None) or _DEPTH_UNIT,
        time=depth_time,
        world_from_depth=world,
    )


def _read_list(path: pathlib.Path) -> tuple[np.ndarray, list[list[str]]]:
    """Times and the other columns of a list, sorted by time."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.BadInput(f"cannot read {path}: {error}") from error
    rows = [line.replace(",", " ").split() for line in lines]
    rows = [row for row in rows if row and not row[0].startswith("#")]
    try:
        time = np.array([float(row[0]) for row in rows])
        fits = len(rows) and np.isfinite(time).all() and min(map(len, rows)) > 1
    except ValueError:
        fits = False
    if not fits:
        raise errors.BadInput(f'{path} has no lines of "seconds file"')
    order = np.argsort(time, kind="stable")
    return time[order], [rows[index][1:] for index in order]


def _existing(
    folder: pathlib.Path, name: str, folders: tuple[str, ...]
) -> pathlib.Path:
    """A file of a list, also where its folder has been renamed."""
    base = pathlib.PurePosixPath(name).name
    for path in (folder / name, *(folder / kind / base for kind in folders)):
        if path.is_file():
            return path
    raise errors.BadInput(f"{folder} has no {name}, which its list names")


def _nearest(wanted: np.ndarray, given: np.ndarray) -> dict[int, int]:
    """For each wanted time that has one, the nearest given time within 20 ms.

    Pairs are made from the closest on, and no frame is used twice.
    """
    right = np.clip(np.searchsorted(given, wanted), 0, len(given) - 1)
    left = np.maximum(right - 1, 0)
    pairs = sorted(
        (abs(given[place] - wanted[index]), index, int(place))
        for index in range(len(wanted))
        for place in {int(left[index]), int(right[index])}
    )
    found: dict[int, int] = {}
    used: set[int] = set()
    for apart, index, place in pairs:
        if apart <= _MAX_APART and index not in found and place not in used:
            found[index] = place
            used.add(place)
    return dict(sorted(found.items()))


def _poses(path: pathlib.Path, time: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Depth frames with a pose, and world_from_depth of each.

    Lines are "seconds tx ty tz qx qy qz qw", the pose of the colour camera.
    """
    given, rows = _read_list(path)
    try:
        values = np.array([[float(number) for number in row] for row in rows])
    except ValueError:
        values = np.zeros((0, 0))
    if values.ndim != 2 or values.shape[1:] != (7,) or not np.isfinite(values).all():
        raise errors.BadInput(f'{path}: lines must be "seconds tx ty tz qx qy qz qw"')
    found = _nearest(time, given)
    if not found:
        raise errors.BadInput(f"{path}: no pose is within {_MAX_APART:g} s of a frame")
    chosen = values[list(found.values())]
    poses = np.tile(np.eye(4), (len(chosen), 1, 1))
    poses[:, :3, :3] = _rotations(chosen[:, 3:], path)
    poses[:, :3, 3] = chosen[:, :3]
    return list(found), poses


def _rotations(quaternions: np.ndarray, path: pathlib.Path) -> np.ndarray:
    """Rotation matrices of quaternions (x, y, z, w)."""
    length = np.linalg.norm(quaternions, axis=1, keepdims=True)
    if (length < 0.5).any():
        raise errors.BadInput(f"{path} has a quaternion of length 0")
    x, y, z, w = (quaternions / length).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def _published_camera(
    folder: pathlib.Path, size: tuple[int, ...]
) -> calibration.Camera:
    """The camera of a sequence of the benchmark, by the name of its folder."""
    name = re.search(r"(?:freiburg|fr)([123])", folder.resolve().name)
    width, height = size
    if name is None or width * _SIZE[1] != height * _SIZE[0]:
        raise errors.BadInput(
            f"{folder} has no camera file: write camera_intrinsic.json with width, "
            "height, fx, fy, cx, cy (pixel centres at +0.5), or name the folder after "
            "its sequence (freiburg1, freiburg2, freiburg3) at 4:3"
        )
    (fx, fy, cx, cy), lens = _PUBLISHED[f"freiburg{name[1]}"]
    scale = width / _SIZE[0]
    if scale != 1:
        errors.warn(
            f"{folder}: the images are {width}x{height}; the published intrinsics of "
            f"freiburg{name[1]} ({_SIZE[0]}x{_SIZE[1]}) are scaled to this size"
        )
    center = (cx + _PIXEL_CENTER, cy + _PIXEL_CENTER)
    values = np.array([fx, fy, *center]) * scale
    camera = calibration.make_camera(width, height, values, lens)
    calibration.check_camera(camera, str(folder))
    return camera
