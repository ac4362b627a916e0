"""Warns of a camera of `--mode=live` that is mounted upside down or on its side."""

import numpy as np

from data_pipelines import devices
from data_pipelines.cameras import orientation
from data_pipelines.segmentation import mounting
from unipose_jax import errors, estimator

_SAMPLES, _APART = 4, 1.0  # frames that are looked at, and the seconds between them


class Mounting:
    """Prints one line if the floor lies on another side than below."""

    def __init__(self, camera: devices.Device, up: str):
        """Takes the camera, and the side of its images that is said to be up."""
        self._camera, self._said = camera, orientation.Orientation(up)
        self._frames: list[np.ndarray] = []
        self._next = 0.0

    def add(self, frame: devices.Frame, pose: estimator.Pose | None) -> None:
        """Takes the next frame, with its pose."""
        if len(self._frames) == _SAMPLES or frame.time < self._next:
            return
        self._frames.append(frame.depth)
        self._next = frame.time + _APART
        if len(self._frames) < _SAMPLES:
            return
        up = mounting.suspected_up(self._frames, self._camera.depth_camera)
        if up is not None:
            errors.warn(
                f"{self._camera.name}: the floor is not below; the camera seems to be "
                f"turned: try --up={self._said.turned_on(up).up}"
            )
