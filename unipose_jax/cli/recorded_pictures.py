"""Pictures of a recording, without lens distortion and of a size of choice."""

import math
from typing import NamedTuple

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.sequences import sequence
from unipose_jax import errors
from unipose_jax.report.viewer import scene

_UNSEEN = np.array((140, 150, 160), np.uint8)  # of points outside the colour image


def camera_of(
    camera: calibration.Camera, cam_from_scene: np.ndarray | None = None
) -> scene.Camera:
    """A camera without its lens distortion."""
    return scene.Camera(
        width=camera.width,
        height=camera.height,
        intrinsics=camera.intrinsics,
        cam_from_scene=np.eye(4) if cam_from_scene is None else cam_from_scene,
    )


class NoColor(errors.BadInput):
    """A colour image is missing or cannot be read."""


class Source(NamedTuple):
    """A recording, and whether its colour images and its depth are used."""

    opened: sequence.Sequence
    colored: bool
    measured: bool

    @property
    def camera(self) -> calibration.Camera:
        """Camera of the pictures."""
        camera = self.opened.color_camera if self.colored else None
        return self.opened.depth_camera if camera is None else camera

    @property
    def cam_from_scene(self) -> np.ndarray:
        return self.opened.color_from_depth if self.colored else np.eye(4)

    def picture(self, place: int) -> np.ndarray:
        """Colour image or depth map of a frame, as recorded."""
        if not self.colored:
            return depth_of(self.opened, place)
        try:
            image = self.opened.color(place)
        except errors.BadInput as error:
            raise NoColor(str(error)) from error
        if image is None:
            raise NoColor(f"frame {self.opened.frames[place]} has no colour image")
        return image

    def project(self, xyz: np.ndarray) -> np.ndarray:
        """Pixels of the pictures without distortion."""
        turn, shift = self.cam_from_scene[:3, :3], self.cam_from_scene[:3, 3]
        return self.camera.project(xyz @ turn.T + shift)

    def colors(self, xyz: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Colours of points in a colour image: (n, 3)."""
        uv = self.camera.distort_uv(self.project(xyz))
        inside = np.all((uv >= 0) & (uv < image.shape[1::-1]), axis=-1)
        column, row = np.where(inside[:, None], uv, 0).astype(np.int64).T
        return np.where(inside[:, None], image[row, column], _UNSEEN)


def depth_of(opened: sequence.Sequence, place: int) -> np.ndarray:
    """Depth map of a frame.

    Raises:
        errors.BadInput: there is none.
    """
    depth = opened.depth(place)
    if depth is None:
        raise errors.BadInput(f"frame {opened.frames[place]} has no depth map")
    return depth


class Lens(NamedTuple):
    """Cuts a part out of pictures, makes it smaller and removes lens distortion."""

    shrink: int  # factor before the distortion is removed
    places: tuple[np.ndarray, np.ndarray]  # of the result's pixels in the shrunk image
    camera: scene.Camera  # of the result

    def apply(self, image: np.ndarray) -> np.ndarray:
        if image.ndim == 2:  # depth is not interpolated
            return cv2.remap(image, *self.places, cv2.INTER_NEAREST)
        if self.shrink > 1:
            size = image.shape[1] // self.shrink, image.shape[0] // self.shrink
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return cv2.remap(image, *self.places, cv2.INTER_LINEAR)


def lens_for(source: Source, poses: scene.Scene, pixels: int) -> Lens:
    """A lens for the part of the picture around all people, with so many pixels."""
    left, top, right, bottom = _window(source, poses)
    scale = min(1.0, math.sqrt(pixels / ((right - left) * (bottom - top))))
    width, height = round(scale * (right - left)), round(scale * (bottom - top))
    shrink = max(1, int(1.0 / scale)) if source.colored else 1
    rows, columns = np.indices((height, width)) + 0.5
    uv = np.stack([left + columns / scale, top + rows / scale], axis=-1)
    if source.camera.distortion.any():
        uv = source.camera.distort_uv(uv)
    # OpenCV puts pixel centres at integers.
    u, v = np.moveaxis(uv / shrink - 0.5, -1, 0).astype(np.float32)
    fx, fy, cx, cy = (float(value) for value in source.camera.intrinsics)
    camera = scene.Camera(
        width=width,
        height=height,
        intrinsics=scale * np.array((fx, fy, cx - left, cy - top)),
        cam_from_scene=source.cam_from_scene,
    )
    return Lens(shrink, (u, v), camera)


def _window(source: Source, poses: scene.Scene) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of the picture around all people."""
    size = np.array((source.camera.width, source.camera.height))
    uv = np.concatenate(
        [source.project(p.poses[0].xyz).reshape(-1, 2) for p in poses.people]
    )
    uv = uv[np.isfinite(uv).all(axis=-1)]
    uv = uv[((uv >= 0) & (uv < size)).all(axis=-1)]
    if not len(uv):
        return 0, 0, int(size[0]), int(size[1])
    low, high = np.quantile(uv, [0.005, 0.995], axis=0)
    middle, half = (low + high) / 2, 0.72 * (high - low)
    half = np.maximum(half, (0.75 * half[1], 0.6 * half[0]))  # no narrow strips
    low = np.clip(np.floor(middle - half), 0, size - 2).astype(int)
    high = np.clip(np.ceil(middle + half), low + 2, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
