"""Writes a recording folder frame by frame, while a camera delivers them."""

import os
import pathlib

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import file_io
from data_pipelines.readers.recordings import conversion, image_files
from unipose_jax import atomic, errors

_LARGEST = 65535  # of uint16, which means no depth
_JPEG_QUALITY = 95  # percent


class Recorder:
    """A recording folder that can be read at any time, also after a crash.

    Files are named by frame numbers, which count at the camera's rate, so that rate and
    numbers give the times until `close` writes the exact ones.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        depth_camera: calibration.Camera,
        depth_unit: float,
        rate: float,
        color_camera: calibration.Camera | None = None,
        color_from_depth: np.ndarray | None = None,
    ):
        """Checks the path; the folder is made with the first frame.

        Args:
            path: the new folder; it must not exist.
            depth_camera: depth camera.
            depth_unit: metres per stored count.
            rate: frames per second, by which frames are numbered.
            color_camera: camera of the colour images, if there are some.
            color_from_depth: 4x4, metres; identity by default.

        Raises:
            errors.BadInput: the folder exists or cannot be made.
        """
        self.path = pathlib.Path(path)
        file_io.check_absent(self.path)
        file_io.check_writable(self.path)
        self._source = conversion.Source(
            frames=(),
            depth_camera=depth_camera,
            color_camera=color_camera,
            color_from_depth=color_from_depth,
            depth_unit=depth_unit,
        )
        self._unit, self._rate = depth_unit, rate
        self._numbers: list[int] = []
        self._times: list[float] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def add(
        self,
        number: int,
        time: float,
        depth: np.ndarray,
        color: np.ndarray | None = None,
    ) -> None:
        """Writes a frame: depth as PNG, colour as JPEG.

        Args:
            number: of the frame, larger than that of the one before.
            time: seconds, later than that of the one before.
            depth: (height, width), metres, 0 where missing.
            color: uint8 RGB (height, width, 3).

        Raises:
            errors.BadInput: the image has another size than the camera, or the disk is
                full.
        """
        if not self._numbers:
            self._start()
        counts = np.rint(np.asarray(depth, np.float64) / self._unit)
        counts = np.where((counts > 0) & (counts < _LARGEST), counts, 0)
        stem, camera = f"{number:06d}", self._source.color_camera
        # A frame exists when its depth does, so depth comes last.
        if color is not None and camera is not None:
            place = self.path / "color" / f"{stem}.jpg"
            options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
            _write(place, color[..., ::-1], camera, options)
        place = self.path / "depth" / f"{stem}.png"
        _write(place, counts.astype(np.uint16), self._source.depth_camera)
        self._numbers.append(number)
        self._times.append(time)

    def close(self) -> None:
        """Writes the times of the frames."""
        if self._times:
            self._write_camera({"time": [t - self._times[0] for t in self._times]})

    def _start(self) -> None:
        try:
            for kind in ("depth", "color")[: 1 + bool(self._source.color_camera)]:
                (self.path / kind).mkdir(parents=True)
        except OSError as error:
            raise errors.BadInput(
                f"cannot write {self.path}: {error.strerror}"
            ) from error
        self._write_camera({"fps": self._rate})

    def _write_camera(self, rate: dict) -> None:
        content = conversion.camera_json(self._source, self._unit)
        del content["fps"]
        file_io.write_json(self.path / "camera.json", content | rate)


def _write(
    path: pathlib.Path,
    image: np.ndarray,
    camera: calibration.Camera,
    options: list[int] | None = None,
) -> None:
    """Encodes an image and writes it whole or not at all."""
    image_files.check_size(path, image.shape[1::-1], camera)
    image = np.ascontiguousarray(image)
    good, data = cv2.imencode(path.suffix, image, options or [])
    if not good:
        raise errors.BadInput(f"cannot encode {path}")
    atomic.write_bytes(path, data.tobytes())
