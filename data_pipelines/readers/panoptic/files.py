"""Files of a CMU Panoptic recording: paths, images and calibration."""

import dataclasses
import pathlib
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import file_io
from data_pipelines.readers.panoptic import sync
from unipose_jax import errors

NODES = range(1, 11)  # numbers of the Kinects


def recordings(source: pathlib.Path) -> list[pathlib.Path]:
    """Folders of the recordings with Kinect files.

    Raises:
        errors.BadInput: `source` is not a recording and contains none.
    """
    source = source.expanduser().resolve()
    inside = sorted(source.iterdir()) if source.is_dir() else []
    found = [
        folder
        for folder in [source, *inside]
        if (folder / "kinect_shared_depth").is_dir()
        or _json(folder, "kcalibration").exists()
    ]
    if not found:
        raise errors.BadInput(
            f"{source} has no CMU Panoptic recording with Kinects"
            " (<recording>/kcalibration_<recording>.json and kinect_shared_depth/)"
        )
    return found


def missing_files(folder: pathlib.Path, nodes: Iterable[int]) -> list[str]:
    """Missing files of a recording: those of the Kinects `nodes` and shared ones."""
    wanted = [
        _json(folder, kind) for kind in ("calibration", "kcalibration", "ksynctables")
    ]
    wanted += [depth_path(folder, node) for node in nodes]
    lacking = [path for path in wanted if not path.exists()]
    poses = folder / sync.POSES
    if not (poses.is_dir() or poses.with_suffix(".tar").exists()):
        lacking.append(poses)
    if not any(depth_path(folder, node).exists() for node in (*NODES, *nodes)):
        lacking.append(folder / "kinect_shared_depth/KINECTNODE*/depthdata.dat")
    return [str(path.relative_to(folder.parent)) for path in lacking]


def depth_path(folder: pathlib.Path, node: int) -> pathlib.Path:
    """Path of the file with all depth images of a Kinect."""
    return folder / "kinect_shared_depth" / f"KINECTNODE{node}" / "depthdata.dat"


def check_pictures(folder: pathlib.Path, node: int, camera: calibration.Camera) -> None:
    """Checks, without decoding, that the images of a Kinect can be read.

    Args:
        folder: folder of the recording.
        node: number of the Kinect.
        camera: depth camera.

    Raises:
        errors.BadInput: the depth file is not a whole number of images, or the video is
            empty.
    """
    path, color = depth_path(folder, node), _color_path(folder, node)
    size, picture = path.stat().st_size, 2 * camera.height * camera.width
    if size == 0 or size % picture:
        raise errors.BadInput(
            f"{path} has {size} bytes, not a whole number of {camera.width}x"
            f"{camera.height} images of {picture} bytes"
        )
    if color and color.is_file() and _video_picture(color, 0) is None:
        raise errors.BadInput(f"{color} is not a video, or it is empty")


def read_depth(
    folder: pathlib.Path, node: int, place: int, camera: calibration.Camera
) -> np.ndarray:
    """Reads depth image `place`, counted from 0: float32 (height, width), metres.

    Raises:
        errors.BadInput: the file cannot be read or has fewer images.
    """
    path, pixels = depth_path(folder, node), camera.height * camera.width
    try:
        counts = np.fromfile(path, "<u2", pixels, offset=2 * pixels * place)
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    if len(counts) < pixels:
        raise errors.BadInput(f"{path} ends before depth image {place}")
    # The images are mirrored (readDepthIndex_1basedIdx.m), the calibration is not.
    counts = np.fliplr(counts.reshape(camera.height, camera.width))
    return counts.astype(np.float32, order="C") * np.float32(0.001)


def read_color(
    folder: pathlib.Path, node: int, place: int, camera: calibration.Camera
) -> np.ndarray | None:
    """Reads colour image `place`, counted from 0: uint8 RGB, or None without files.

    Raises:
        errors.BadInput: the image cannot be read or has a wrong size.
    """
    path = _color_path(folder, node)
    if path is None:
        return None
    if path.is_dir():
        # File names of extracted images count from 1 (kinectImgsExtractor.sh).
        path = path / f"{path.name}_{place + 1:08d}.jpg"
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    else:
        image = _video_picture(path, place)
    if image is None or image.shape[1::-1] != (camera.width, camera.height):
        raise errors.BadInput(
            f"{path}: colour image {place} cannot be read, or is not"
            f" {camera.width}x{camera.height}"
        )
    return np.ascontiguousarray(image[..., ::-1])


def read_table(folder: pathlib.Path, node: int) -> tuple[np.ndarray, np.ndarray]:
    """Reads the time stamps of a Kinect's depth and colour images, milliseconds.

    Raises:
        errors.BadInput: `ksynctables_*.json` has no such list.
    """
    path = _json(folder, "ksynctables")
    table = file_io.read_json(path)
    depth, color = (
        sync.parse_timestamps(table, kind, node, path) for kind in ("depth", "color")
    )
    return depth, color


@dataclasses.dataclass(frozen=True, eq=False)
class KinectCalibration:
    """The two cameras of a Kinect and their poses; transforms in metres."""

    depth: calibration.Camera
    color: calibration.Camera
    color_from_depth: np.ndarray  # float32 (4, 4)
    world_from_depth: np.ndarray  # float32 (4, 4)


def read_calibration(folder: pathlib.Path, node: int) -> KinectCalibration:
    """Reads `kcalibration_*.json` and `calibration_*.json` for one Kinect.

    `M_depth` and `M_color` both map the frame of the sensor to that of a camera:
    x_depth = M_depth x_sensor, x_color = M_color x_sensor. With these, depth edges
    match colour edges, and the relative poses of the Kinects match those in
    `calibration_*.json` (to 0.15 degrees). The toolbox uses the inverse of M_color to
    get to the world frame, which rotates the image by up to 1.4 degrees.

    Raises:
        errors.BadInput: a file, the Kinect or a matrix is missing.
    """
    path = _json(folder, "kcalibration")
    try:
        sensor = file_io.read_json(path)["sensors"][node - 1]
    except (KeyError, IndexError, TypeError) as error:
        raise errors.BadInput(f"{path} has no sensor {node} in 'sensors'") from error
    where = f"{path}: sensor {node}"
    depth_from_sensor = _numbers(sensor, "M_depth", (4, 4), where)
    color_from_sensor = _numbers(sensor, "M_color", (4, 4), where)
    color_from_depth = color_from_sensor @ np.linalg.inv(depth_from_sensor)
    world_from_color = np.linalg.inv(_color_from_world(folder, node))
    return KinectCalibration(
        depth=_camera(sensor, "depth", where),
        color=_camera(sensor, "color", where),
        color_from_depth=color_from_depth.astype(np.float32),
        world_from_depth=(world_from_color @ color_from_depth).astype(np.float32),
    )


def _json(folder: pathlib.Path, kind: str) -> pathlib.Path:
    return folder / f"{kind}_{folder.name}.json"


def _color_path(folder: pathlib.Path, node: int) -> pathlib.Path | None:
    """The folder of extracted images, or the video if there is none."""
    choices = (
        folder / "kinectImgs" / f"50_{node:02d}",
        folder / "kinectVideos" / f"kinect_50_{node:02d}.mp4",
    )
    return next(filter(pathlib.Path.exists, choices), None)


def _video_picture(path: pathlib.Path, place: int) -> np.ndarray | None:
    """One BGR image of a video, or None if it cannot be read."""
    video = cv2.VideoCapture(str(path))
    try:
        video.set(cv2.CAP_PROP_POS_FRAMES, place)
        return video.read()[1]
    finally:
        video.release()


def _color_from_world(folder: pathlib.Path, node: int) -> np.ndarray:
    """Transform from the world to a Kinect's colour camera: (4, 4), metres."""
    path, name = _json(folder, "calibration"), f"50_{node:02d}"
    try:
        cameras = {
            camera["name"]: camera for camera in file_io.read_json(path)["cameras"]
        }
        camera = cameras[name]
    except (KeyError, TypeError) as error:
        raise errors.BadInput(f"{path} has no camera {name} in 'cameras'") from error
    pose = np.eye(4)
    pose[:3, :3] = _numbers(camera, "R", (3, 3), f"{path}: {name}")
    pose[:3, 3] = 0.01 * _numbers(camera, "t", (3,), f"{path}: {name}")
    return pose


def _camera(sensor: Any, kind: str, where: str) -> calibration.Camera:
    matrix = _numbers(sensor, f"K_{kind}", (3, 3), where)
    # The toolbox has pixel centres at integers (unprojectDepth_release.m).
    center = matrix[:2, 2] + 0.5
    width, height = (
        int(_numbers(sensor, f"{kind}_{side}", (), where))
        for side in ("width", "height")
    )
    # Depth cameras have seven numbers; the toolbox also uses only the first five.
    distortion = _numbers(sensor, f"distCoeffs_{kind}", (-1,), where)[:5]
    focal = matrix[[0, 1], [0, 1]]
    return calibration.make_camera(width, height, [*focal, *center], distortion)


def _numbers(entry: Any, key: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    try:
        value = np.asarray(entry[key], np.float64).reshape(shape)
    except (KeyError, TypeError, ValueError) as error:
        raise errors.BadInput(
            f"{where}: {key!r} is missing or not made of numbers {shape}"
        ) from error
    return value
