"""Recording folders: a user's own RGB-D sequence (docs/datasets/recording.md).

    camera.json  depth/000000.png  color/000000.{png,jpg}  mask/000000.png
    keypoints.json (or keypoints/*.json of OpenPose)  joints.npz

Frames are read on request. Pixel centres are at +0.5: add 0.5 to cx and cy of intrinsics
calibrated with centres at integers (OpenCV).
"""

import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import file_io, pose_file
from data_pipelines.keypoints import detections
from data_pipelines.sequences import sequence
from unipose_jax import atomic, errors

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Recording(sequence.Sequence):
    """An opened recording folder; `len` is the number of depth frames.

    `frames` has the number in each depth file's name. All other files and keypoints of a
    frame have the same number.
    """

    path: pathlib.Path
    depth_unit: float  # metres per count

    def depth(self, index: int) -> np.ndarray:
        """Depth of a frame: float32 (height, width), metres, 0 where missing."""
        counts = read_depth_png(self._file("depth", index), self.depth_camera)
        return counts.astype(np.float32) * np.float32(self.depth_unit)

    def color(self, index: int) -> np.ndarray | None:
        """Colour of a frame: uint8 RGB (height, width, 3), or None without a file."""
        path = self._find("color", index)
        if path is None or self.color_camera is None:
            return None
        return read_color(path, self.color_camera)

    def has_color(self, index: int) -> bool:
        """Whether a frame has a file with its colour image."""
        return self.color_camera is not None and bool(self._find("color", index))

    def mask(self, index: int) -> np.ndarray | None:
        """Mask of the person in depth: bool (height, width), or None without a file."""
        path = self._find("mask", index)
        if path is None:
            return None
        image = _read_image(path, cv2.IMREAD_GRAYSCALE)
        _check_size(path, image.shape[::-1], self.depth_camera)
        return image > (0 if image.max() == 1 else 127)  # values 0 and 1, or 0 to 255

    def keypoint_detections(self) -> detections.Detections | None:
        """Detections from keypoints.json or the folder keypoints."""
        return self._detections

    @functools.cached_property
    def _detections(self) -> detections.Detections | None:
        path = next(filter(pathlib.Path.exists, _keypoint_paths(self.path)), None)
        return None if path is None else detections.read(path)

    def joints(self) -> pose_file.PoseFile | None:
        """Ground truth, one pose per frame, or None without a file."""
        path = self.path / "joints.npz"
        if not path.exists():
            return None
        pose = pose_file.read(path)
        if len(pose) != len(self):
            raise errors.BadInput(
                f"{path} has {len(pose)} poses, but there are {len(self)} depth frames"
            )
        if pose.frame is not None and (apart := pose.frame != self.frames).any():
            first = int(apart.argmax())
            raise errors.BadInput(
                f"{path} has frame {pose.frame[first]} where the recording has frame "
                f"{self.frames[first]}"
            )
        return pose

    def _find(self, kind: str, index: int) -> pathlib.Path | None:
        for suffix in ("png", "jpg", "jpeg"):
            path = self.path / kind / f"{self.frames[index]:06d}.{suffix}"
            if path.exists():
                return path
        return None

    def _file(self, kind: str, index: int) -> pathlib.Path:
        return self.path / kind / f"{self.frames[index]:06d}.png"


def open_recording(
    path: str | os.PathLike, name: str = "", *, skip_corrupt: bool = False
) -> Recording:
    """Opens a recording folder and checks it without decoding all frames.

    Depth frames are decoded only until one has a non-zero pixel.

    Args:
        path: the folder.
        name: name of the sequence; the folder name by default.
        skip_corrupt: True accepts unreadable depth frames, which are skipped later, if
            at least one frame is readable.

    Raises:
        errors.BadInput: the folder, camera.json or depth is missing or invalid, a file
            has a wrong size, or all depth pixels of the recording are 0.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        raise errors.BadInput(f"no recording folder at {path}")
    inside = sorted(found.parent.name for found in path.glob("*/camera.json"))
    if inside and not (path / "camera.json").exists():
        raise errors.BadInput(
            f"{path} has no camera.json; give one of the recordings in it, for example "
            f"{path / inside[0]}"
        )
    camera = calibration.read_camera_file(path / "camera.json")
    frames = _depth_frames(path / "depth")
    recording = Recording(
        name=name or path.resolve().name,
        subject=name or path.resolve().name,
        path=path,
        frames=frames,
        time=calibration.frame_times(camera, frames, str(path / "camera.json")),
        depth_unit=camera.depth_unit,
        depth_camera=camera.depth,
        color_camera=camera.color,
        color_from_depth=camera.color_from_depth,
        world_from_depth=_per_frame(camera.world_from_depth, len(frames), path),
    )
    unreadable: errors.BadInput | None = None
    for index in range(len(frames)):
        try:
            if recording.depth(index).any():
                return recording
        except errors.BadInput as error:
            if not skip_corrupt:
                raise
            unreadable = unreadable or error
    raise unreadable or errors.BadInput(
        f"{path}/depth: all {len(frames)} frames are empty (every pixel is 0)"
    )


def read_depth_png(path: pathlib.Path, camera: calibration.Camera) -> np.ndarray:
    """Reads a depth map: uint16 (height, width), counts.

    Raises:
        errors.BadInput: the file is not a complete 16-bit grey PNG of the camera's
            size.
    """
    _check_depth_png(path, camera)
    return _read_image(path, cv2.IMREAD_UNCHANGED)


def read_color(path: pathlib.Path, camera: calibration.Camera) -> np.ndarray:
    """Reads a colour image: uint8 RGB (height, width, 3).

    Raises:
        errors.BadInput: the file cannot be decoded or does not have the camera's size.
    """
    image = _read_image(path, cv2.IMREAD_COLOR)
    _check_size(path, image.shape[1::-1], camera)
    return np.ascontiguousarray(image[..., ::-1])


def write_recording(
    path: str | os.PathLike,
    *,
    depth: Iterable[np.ndarray],
    depth_camera: calibration.Camera,
    fps: float | None = None,
    time: Sequence[float] | None = None,
    depth_unit: float = 0.001,
    color: Iterable[np.ndarray] | None = None,
    color_camera: calibration.Camera | None = None,
    color_from_depth: np.ndarray | None = None,
    world_from_depth: np.ndarray | None = None,
    mask: Iterable[np.ndarray] | None = None,
    keypoints: Any = None,
    joints: pose_file.PoseFile | None = None,
) -> None:
    """Writes a recording folder atomically.

    Args:
        path: the new folder; it must not exist.
        depth: (height, width) per frame, metres, 0 or NaN where missing; stored as
            uint16.
        depth_camera: depth camera.
        fps: frames per second; alternative to `time`.
        time: seconds of each frame.
        depth_unit: metres per stored count.
        color: uint8 RGB (height, width, 3) per frame, stored as PNG.
        color_camera: camera of `color` and `keypoints`; required with `color`.
        color_from_depth: 4x4, metres; identity by default.
        world_from_depth: one 4x4, or one for each frame, metres.
        mask: bool (height, width) per frame, mask of the person in depth.
        keypoints: content of keypoints.json (see `detections`).
        joints: ground truth, one pose per frame.

    Raises:
        errors.BadInput: the folder exists or cannot be written.
    """
    camera = {
        "depth": calibration.to_json(depth_camera),
        "depth_unit": depth_unit,
        "fps": fps,
        "time": _to_list(time),
        "color": color_camera and calibration.to_json(color_camera),
        "color_from_depth": _to_list(color_from_depth) or np.eye(4).tolist(),
        "world_from_depth": _to_list(world_from_depth),
    }
    file_io.check_absent(path)
    with atomic.replacing(path) as folder:
        folder.mkdir()
        (folder / "camera.json").write_text(json.dumps(camera, indent=1))
        kinds = {
            "depth": (depth, lambda d: _depth_counts(d, depth_unit), depth_camera),
            "color": (color, lambda rgb: rgb[..., ::-1], color_camera),
            "mask": (mask, lambda pixels: np.uint8(255) * pixels, depth_camera),
        }
        for kind, (images, encode, its_camera) in kinds.items():
            if images is not None:
                _write_images(folder / kind, map(encode, images), its_camera)
        if keypoints is not None:
            (folder / "keypoints.json").write_text(json.dumps(keypoints))
        if joints is not None:
            pose_file.write(folder / "joints.npz", joints)


def _keypoint_paths(path: pathlib.Path) -> tuple[pathlib.Path, ...]:
    return path / "keypoints.json", path / "keypoints"


def _depth_frames(folder: pathlib.Path) -> tuple[int, ...]:
    """Frame numbers of the depth files, sorted."""
    pictures = [path for path in folder.glob("*") if path.suffix.lower() in _PICTURES]
    if others := sorted(path.name for path in pictures if path.suffix != ".png"):
        raise errors.BadInput(f"{folder}/{others[0]}: depth files are 16-bit .png")
    names = [path.stem for path in pictures]
    for name in names:
        if not (name.isdecimal() and len(name) == 6):
            raise errors.BadInput(
                f"{folder}/{name}.png: a depth file is named by six digits, 000000.png"
            )
    if not names:
        raise errors.BadInput(f"{folder} has no depth frames (000000.png, ...)")
    return tuple(sorted(int(name) for name in names))


def _check_depth_png(path: pathlib.Path, camera: calibration.Camera) -> None:
    """Raises if the file is not a 16-bit grey PNG of the camera's size."""
    header = file_io.read_png_header(path)
    if header.bits != 16 or header.color_type != 0:
        raise errors.BadInput(
            f"{path} is {header.bits}-bit"
            f" {'grey' if header.color_type == 0 else 'colour'};"
            " a depth map must be a 16-bit grey PNG"
        )
    _check_size(path, (header.width, header.height), camera)


def _check_size(
    path: pathlib.Path, size: Sequence[int], camera: calibration.Camera
) -> None:
    if tuple(size) != (camera.width, camera.height):
        raise errors.BadInput(
            f"{path} is {size[0]}x{size[1]}, but camera.json says"
            f" {camera.width}x{camera.height}"
        )


def _read_image(path: pathlib.Path, flags: int) -> np.ndarray:
    try:
        data = path.read_bytes()
        whole = file_io.check_png(data)  # avoids error messages of libpng
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if whole else None
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    except cv2.error as error:
        raise errors.BadInput(f"{path} cannot be decoded: {error.err}") from error
    if image is None:
        raise errors.BadInput(f"{path} cannot be decoded")
    return image


def _per_frame(
    transforms: np.ndarray | None, frames: int, path: pathlib.Path
) -> np.ndarray | None:
    """Returns one 4x4 per frame, from one for all frames or one for each."""
    if transforms is None or transforms.ndim == 3 and len(transforms) == frames:
        return transforms
    if transforms.ndim == 3:
        raise errors.BadInput(
            f"{path}/camera.json: 'world_from_depth' has {len(transforms)} transforms"
            f" for {frames} frames"
        )
    return np.broadcast_to(transforms, (frames, 4, 4))


def _depth_counts(depth: np.ndarray, unit: float) -> np.ndarray:
    """Depth in metres as uint16 counts; 0 where missing or out of range."""
    counts = np.rint(np.nan_to_num(np.asarray(depth, np.float64), posinf=0.0) / unit)
    return np.where((counts < 0) | (counts > 65535), 0, counts).astype(np.uint16)


def _to_list(values: Any) -> list | None:
    return None if values is None else np.asarray(values, np.float64).tolist()


def _write_images(
    folder: pathlib.Path,
    images: Iterable[np.ndarray],
    camera: calibration.Camera | None,
) -> None:
    if camera is None:
        raise errors.BadInput(f"{folder}: images are given without their camera")
    folder.mkdir()
    for index, image in enumerate(images):
        path = folder / f"{index:06d}.png"
        _check_size(path, image.shape[1::-1], camera)
        if not cv2.imwrite(str(path), np.ascontiguousarray(image)):
            raise errors.BadInput(f"cannot write {path}; is the disk full?")
