"""Cameras of recordings: the file camera.json, and a pinhole model with distortion."""

import dataclasses
import difflib
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from data_pipelines.ground import file_io
from unipose_jax import errors
from unipose_jax.geometry import camera as pinhole

_MIN_SIDE, _MAX_SIDE = 4, 16384  # pixels
_MAX_SLOPE = 20.0  # largest |x/z| or |y/z| of a pixel: 87 degrees
_MAX_STRAY = 0.5  # pixels, largest error of the inverse of the distortion
_MAX_BASELINE = 20.0  # metres between the cameras of one device
_ENTRIES = ("width", "height", "fx", "fy", "cx", "cy", "distortion")
MAX_DEPTH_UNIT = 0.1  # metres; above this a person is a few counts thick
_WORLD_POSE = "world_from_depth"  # key for a moving camera
_KEYS = (
    *("depth", "color", "color_from_depth", "depth_unit"),
    *("fps", "time", "keypoints", _WORLD_POSE),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with Brown-Conrady distortion (k1, k2, p1, p2, k3)."""

    width: int
    height: int
    intrinsics: np.ndarray  # float32 (4,): fx, fy, cx, cy, pixels
    distortion: np.ndarray  # float32 (5,)

    def rays(self) -> np.ndarray:
        """(x/z, y/z) at each pixel centre, undistorted: float32 (height, width, 2)."""
        u, v = np.meshgrid(np.arange(self.width), np.arange(self.height))
        uv = self.undistort(np.stack([u, v], axis=-1) + 0.5)
        return pinhole.xy_from_uv(uv, self.intrinsics).astype(np.float32)

    def undistort(self, uv: np.ndarray, *, iterations: int = 20) -> np.ndarray:
        """Removes lens distortion from pixel coordinates. NaN stays NaN.

        Args:
            uv: (..., 2), pixels as recorded.
            iterations: fixed-point steps (`geometry.camera.undistort`).

        Returns:
            float32 (..., 2), pixels.
        """
        flat = np.asarray(uv, np.float64).reshape(-1, 2)
        if self.distortion.any():
            flat = pinhole.undistort_uv(
                flat, self.intrinsics, self.distortion, iterations=iterations
            )
        return flat.reshape(np.shape(uv)).astype(np.float32)

    def project(self, xyz: np.ndarray) -> np.ndarray:
        """Projects points without distortion. NaN where z <= 0.

        Args:
            xyz: (..., 3), metres, frame of this camera.

        Returns:
            (..., 2), undistorted pixels.
        """
        ahead = np.where(xyz[..., 2:] > 0, xyz, np.nan).reshape(-1, 3)
        uv = pinhole.uv_from_xyz(ahead, self.intrinsics)
        return uv.reshape(*xyz.shape[:-1], 2)

    def distort_uv(self, uv: np.ndarray) -> np.ndarray:
        """Adds lens distortion to pixel coordinates.

        Args:
            uv: (..., 2), undistorted pixels.

        Returns:
            (..., 2), pixels as recorded.
        """
        flat = np.reshape(uv, (-1, 2))
        flat = pinhole.distort_uv(flat, self.intrinsics, self.distortion)
        return flat.reshape(np.shape(uv))

    def undistort_image(self, image: np.ndarray) -> np.ndarray:
        """Removes lens distortion from an image; the intrinsics stay the same."""
        return self._undistorted(image, cv2.INTER_LINEAR)

    def undistort_depth(self, depth: np.ndarray) -> np.ndarray:
        """Removes lens distortion from a depth map, without interpolation."""
        return self._undistorted(depth, cv2.INTER_NEAREST)

    def _undistorted(self, image: np.ndarray, interpolation: int) -> np.ndarray:
        if not self.distortion.any():
            return image
        rows, columns = np.indices(image.shape[:2]) + 0.5
        u, v = np.moveaxis(self.distort_uv(np.stack([columns, rows], axis=-1)), -1, 0)
        # OpenCV puts pixel centres at integers.
        places = (u - 0.5).astype(np.float32), (v - 0.5).astype(np.float32)
        return cv2.remap(image, *places, interpolation)


@dataclasses.dataclass(frozen=True, eq=False)
class CameraFile:
    """Validated content of camera.json."""

    depth: Camera
    color: Camera | None
    color_from_depth: np.ndarray  # float32 (4, 4), metres
    depth_unit: float  # metres per count of the depth PNG
    fps: float | None
    time: np.ndarray | None  # float64 (frames,), seconds
    world_from_depth: np.ndarray | None  # float32 ([frames,] 4, 4), metres
    keypoints: Mapping[str, Any] | None = None  # see `keypoints.settings`


def read_camera_file(path: str | os.PathLike) -> CameraFile:
    """Reads and checks camera.json.

    `depth` (width, height, fx, fy, cx, cy, optional distortion) and `depth_unit` are
    required. `color` requires `color_from_depth`. `world_from_depth` is optional: the
    pose of the depth camera in a world frame, one 4x4 or one for each frame.

    Raises:
        errors.BadInput: a key is missing or wrong; the message names the first one.
    """
    path = pathlib.Path(path)
    raw = file_io.read_json(path)
    if not isinstance(raw, dict) or not isinstance(raw.get("depth"), dict):
        raise errors.BadInput(f"{path} has no 'depth' camera")
    _check_spelling(raw, _KEYS, str(path))
    color, color_from_depth = None, np.eye(4, dtype=np.float32)
    if raw.get("color") is not None:
        color = _camera(raw, "color", path)
        color_from_depth = _rigid(raw, "color_from_depth", path)
        if np.abs(color_from_depth[:3, 3]).max() > _MAX_BASELINE:
            raise errors.BadInput(
                f"{path}: 'color_from_depth' puts the cameras more than "
                f"{_MAX_BASELINE:g} m apart; its unit is metres"
            )
    depth_unit = _number(raw, "depth_unit", path)
    if depth_unit > MAX_DEPTH_UNIT:
        raise errors.BadInput(
            f"{path}: 'depth_unit' {depth_unit:g} is too large; its unit is metres per "
            "count, 0.001 for millimetres"
        )
    fps = _number(raw, "fps", path) if raw.get("fps") is not None else None
    if not isinstance(raw.get("keypoints"), dict | None):
        raise errors.BadInput(f"{path}: 'keypoints' is not an object with keys")
    return CameraFile(
        depth=_camera(raw, "depth", path),
        color=color,
        color_from_depth=color_from_depth,
        depth_unit=depth_unit,
        fps=fps,
        time=_array(raw, "time", path) if raw.get("time") is not None else None,
        world_from_depth=_rigid(raw, _WORLD_POSE, path)
        if raw.get(_WORLD_POSE) is not None
        else None,
        keypoints=raw.get("keypoints"),
    )


def to_json(camera: Camera) -> dict[str, Any]:
    """Returns the entry of `camera` for camera.json."""
    values = [round(float(v), 9) for v in camera.intrinsics]
    return {
        "width": camera.width,
        "height": camera.height,
        **dict(zip(("fx", "fy", "cx", "cy"), values, strict=True)),
        "distortion": [round(float(v), 9) for v in camera.distortion],
    }


def make_camera(
    width: int,
    height: int,
    intrinsics: Sequence[float] | np.ndarray,
    distortion: Sequence[float] | np.ndarray = (0.0,) * 5,
) -> Camera:
    """Makes a camera from (fx, fy, cx, cy), pixels, and (k1, k2, p1, p2, k3)."""
    return Camera(
        width=width,
        height=height,
        intrinsics=np.asarray(intrinsics, np.float32),
        distortion=np.asarray(distortion, np.float32),
    )


def frame_times(camera: CameraFile, frames: Sequence[int], where: str) -> np.ndarray:
    """Seconds since the first frame, from `time` or from frame numbers and `fps`.

    Raises:
        errors.BadInput: there are several frames and neither key, or `time` is wrong.
    """
    if camera.time is not None:
        time = camera.time
        if time.shape != (len(frames),):
            raise errors.BadInput(
                f"{where}: 'time' has {time.size} entries for {len(frames)} frames"
            )
        if (np.diff(time) <= 0).any():
            raise errors.BadInput(f"{where}: 'time' does not increase")
        return time - time[0]
    if camera.fps is None and len(frames) > 1:
        raise errors.BadInput(f"{where} has neither 'fps' nor 'time'")
    return (np.asarray(frames) - frames[0]) / (camera.fps or 1.0)


def _camera(raw: Mapping[str, Any], kind: str, path: pathlib.Path) -> Camera:
    entry, where = raw[kind], f"{path}: '{kind}'"
    if not isinstance(entry, dict):
        raise errors.BadInput(
            f"{where} is not a camera (width, height, fx, fy, cx, cy)"
        )
    _check_spelling(entry, _ENTRIES, where)
    for key in _ENTRIES[:-1]:
        if key not in entry:
            raise errors.BadInput(f"{where} has no {key!r}")
    width, height = (_number(entry, key, where) for key in ("width", "height"))
    if max(width, height) > _MAX_SIDE or width % 1 or height % 1:
        raise errors.BadInput(f"{where} has an impossible size {width:g}x{height:g}")
    distortion = _array({"distortion": [0] * 5} | entry, "distortion", where)
    if distortion.shape != (5,):
        raise errors.BadInput(f"{where}: 'distortion' must be [k1, k2, p1, p2, k3]")
    focal = [_number(entry, key, where) for key in ("fx", "fy")]
    center = [_array(entry, key, where) for key in ("cx", "cy")]
    for key, value in zip(("cx", "cy"), center, strict=True):
        if value.ndim != 0:
            raise errors.BadInput(f"{where}: {key!r} must be one number")
    # Values beyond float32 become infinite, which `check_camera` rejects.
    with np.errstate(over="ignore"):
        camera = make_camera(
            int(width), int(height), [*focal, *map(float, center)], distortion
        )
    check_camera(camera, where)
    return camera


def check_camera(camera: Camera, where: str) -> None:
    """Checks image size, field of view and that the distortion is invertible.

    The last two are checked at 9 x 9 pixels from corner to corner.

    Args:
        camera: the camera to check.
        where: its origin, for the message.

    Raises:
        errors.BadInput: one of the checks fails.
    """
    sides = (camera.width, camera.height)
    if not (_MIN_SIDE <= min(sides) and max(sides) <= _MAX_SIDE):
        raise errors.BadInput(f"{where} has an impossible size {sides[0]}x{sides[1]}")
    u = np.linspace(0.5, camera.width - 0.5, 9)
    v = np.linspace(0.5, camera.height - 0.5, 9)
    uv = np.stack(np.meshgrid(u, v), axis=-1)
    with np.errstate(all="ignore"):
        observed = pinhole.xy_from_uv(uv, camera.intrinsics)
        stray = np.abs(camera.distort_uv(camera.undistort(uv)) - uv)
    if not (np.abs(observed) < _MAX_SLOPE).all():
        raise errors.BadInput(
            f"{where}: fx, fy, cx and cy are in pixels; these values give a field of "
            "view of more than 87 degrees to one side"
        )
    if not (stray < _MAX_STRAY).all():
        raise errors.BadInput(
            f"{where}: 'distortion' is not invertible over the image; expected "
            "[k1, k2, p1, p2, k3] of a model without k4 to k6"
        )


def _check_spelling(entry: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Rejects a misspelt known key. Other unknown keys are ignored."""
    for key in entry.keys() - set(known):
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
        if near and near[0] not in entry:
            raise errors.BadInput(
                f"{where}: unknown key {key!r}; did you mean {near[0]!r}?"
            )


def _array(entry: Mapping[str, Any], key: str, where: Any) -> np.ndarray:
    try:
        value = np.asarray(entry.get(key), np.float64)
    except (TypeError, ValueError, OverflowError):
        value = np.asarray(np.nan)
    if not np.isfinite(value).all():
        raise errors.BadInput(f"{where}: {key!r} is missing or not made of numbers")
    return value


def _number(entry: Mapping[str, Any], key: str, where: Any) -> float:
    value = _array(entry, key, where)
    if value.ndim != 0 or value <= 0:
        raise errors.BadInput(
            f"{where}: {key!r} must be a positive number, got {entry[key]!r}"
        )
    return float(value)


def _rigid(entry: Mapping[str, Any], key: str, path: pathlib.Path) -> np.ndarray:
    value = _array(entry, key, path)
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
