"""Images of recordings: decoding, with checks of type and size."""

import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import file_io
from unipose_jax import errors


def read_depth_png(path: pathlib.Path, camera: calibration.Camera) -> np.ndarray:
    """Reads a depth map: uint16 (height, width), counts.

    Raises:
        errors.BadInput: the file is not a complete 16-bit grey PNG of the camera's
            size.
    """
    _check_depth_png(path, camera)
    return read_image(path, cv2.IMREAD_UNCHANGED)


def read_color(path: pathlib.Path, camera: calibration.Camera) -> np.ndarray:
    """Reads a colour image: uint8 RGB (height, width, 3).

    Raises:
        errors.BadInput: the file cannot be decoded or does not have the camera's size.
    """
    image = read_image(path, cv2.IMREAD_COLOR)
    check_size(path, image.shape[1::-1], camera)
    return np.ascontiguousarray(image[..., ::-1])


def _check_depth_png(path: pathlib.Path, camera: calibration.Camera) -> None:
    """Raises if the file is not a 16-bit grey PNG of the camera's size."""
    header = file_io.read_png_header(path)
    if header.bits != 16 or header.color_type != 0:
        raise errors.BadInput(
            f"{path} is {header.bits}-bit"
            f" {'grey' if header.color_type == 0 else 'colour'};"
            " a depth map must be a 16-bit grey PNG"
        )
    check_size(path, (header.width, header.height), camera)


def check_size(
    path: pathlib.Path, size: Sequence[int], camera: calibration.Camera
) -> None:
    """Checks the (width, height) of an image.

    Raises:
        errors.BadInput: they are not those of the camera.
    """
    if tuple(size) != (camera.width, camera.height):
        raise errors.BadInput(
            f"{path} is {size[0]}x{size[1]}, but camera.json says"
            f" {camera.width}x{camera.height}"
        )


def read_image(path: pathlib.Path, flags: int) -> np.ndarray:
    """Decodes an image with flags of `cv2.imdecode`.

    Raises:
        errors.BadInput: the file cannot be read or decoded.
    """
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
