"""Masks of the person: which pixel values mean the person.

Without the key "mask_values" of camera.json, a mask has 0 and one other value, which is
the person. Soft edges between 0 and 255 (JPEG, anti-aliasing) are cut at the middle.
"""

import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from data_pipelines.cameras import calibration, camera_file
from data_pipelines.readers.recordings import image_files
from unipose_jax import errors

_SUFFIXES = ("png", "jpg", "jpeg")
_SAMPLES = 9  # masks that are looked at when a recording is opened
_SOFT = 12  # distinct values; labels of people have fewer, soft edges more
_EXTREME = 0.9  # share of the pixels of a soft mask near 0 or 255
# A person covers neither most of the image nor most of its border.
_MOST, _BORDER = 0.5, 0.6
_WHITE = {1, 255}  # both mean the person, in masks of one recording, too
_ADVICE = (
    'list the pixel values of the person in camera.json, for example "mask_values": '
    "[{}]"
)


def read_mask(
    path: pathlib.Path, camera: calibration.Camera, values: Sequence[int] | None
) -> np.ndarray:
    """Mask of the person: bool (height, width).

    Args:
        path: image with 8 bits.
        camera: depth camera, whose size the mask has.
        values: pixel values of the person; None for 0 and one other value.

    Raises:
        errors.BadInput: the file cannot be read, does not have the camera's size, or
            has several values that nothing explains.
    """
    image = _read_image(path, camera)
    return _person(image, path, values)


def _read_image(path: pathlib.Path, camera: calibration.Camera) -> np.ndarray:
    image = image_files.read_image(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    image_files.check_size(path, image.shape[::-1], camera)
    return image


def _person(
    image: np.ndarray, path: pathlib.Path, values: Sequence[int] | None
) -> np.ndarray:
    """The mask of the person in a decoded image; see `read_mask`."""
    if values is not None:
        return np.isin(image, values)
    found = np.unique(image)
    if len(found[found > 0]) <= 1:
        return image > 0
    near = (image < 32) | (image > 223)
    soft = len(found) >= _SOFT or path.suffix != ".png"
    if soft and found[-1] <= 255 and near.mean() > _EXTREME:
        return image > 127
    listed = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
    raise errors.BadInput(
        f"{path} has the values {listed}; a mask has 0 and one other value: "
        + _ADVICE.format(int(found[found > 0][0]))
    )


def check_masks(
    folder: pathlib.Path, frames: Sequence[int], camera: camera_file.CameraFile
) -> None:
    """Checks a few masks of a recording together; files that cannot be read are left.

    Raises:
        errors.BadInput: most of them cover most of the image, or the value of the
            person differs between frames.
    """
    if not folder.is_dir():
        return
    covers, values, seen = [], set(), 0
    for index in np.unique(np.linspace(0, len(frames) - 1, _SAMPLES).astype(int)):
        names = (folder / f"{frames[index]:06d}.{suffix}" for suffix in _SUFFIXES)
        path = next(filter(pathlib.Path.exists, names), None)
        if path is None:
            continue
        try:
            image = _read_image(path, camera.depth)
        except errors.BadInput:
            continue  # reported when the frame is used
        person = _person(image, path, camera.mask_values)
        seen += 1
        covers.append(_is_inverted(person))
        if len(found := np.unique(image[image > 0])) == 1:
            values.add(int(found[0]))
    if seen and np.mean(covers) > 0.5:
        raise errors.BadInput(
            f"{folder}: the masks cover most of the image and of its border; where 0 "
            f"is the person (Kinect: 255 is nobody), {_ADVICE.format(0)}"
        )
    if not values <= _WHITE and len(values) > 1 and camera.mask_values is None:
        raise errors.BadInput(
            f"{folder}: the person has the value {min(values)} in one mask and "
            f"{max(values)} in another; {_ADVICE.format(min(values))}"
        )


def _is_inverted(person: np.ndarray) -> bool:
    border = np.concatenate([person[0], person[-1], person[:, 0], person[:, -1]])
    return person.mean() > _MOST and border.mean() > _BORDER
