"""Depth cameras of OpenNI 2 (Kinect v1, Xtion, Astra), through OpenCV.

The packages of OpenCV on PyPI have no OpenNI; it must be built with it. Depth alone is
read: OpenCV gives no calibration between depth and colour.
"""

from typing import Any

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.devices import device
from unipose_jax import errors

_NAME = "openni"
_RATE = 30  # frames per second
_MILLIMETRE, _MICROSECOND = 1e-3, 1e-6
_STAMP = cv2.CAP_OPENNI_DEPTH_GENERATOR + cv2.CAP_PROP_POS_MSEC  # microseconds


def open_camera(which: str) -> device.Device:
    """Starts depth, neither registered to colour nor mirrored.

    Args:
        which: number of the device as OpenCV counts; "" for the first, 0. Plus 10 for
            devices without colour, such as Xtion, plus 20 for Astra.

    Raises:
        errors.BadInput: this OpenCV has no OpenNI 2, or the device is missing.
    """
    if cv2.CAP_OPENNI2 not in cv2.videoio_registry.getCameraBackends():
        raise errors.BadInput(
            f"{_NAME} needs an OpenCV that is built with OpenNI 2 (-D WITH_OPENNI2=ON);"
            " that of pip install opencv-python has none"
        )
    if which and not which.isdecimal():
        raise errors.BadInput(f"{_NAME}:{which}: give the number of the device, from 0")
    capture = cv2.VideoCapture(int(which or 0), cv2.CAP_OPENNI2)
    if not capture.isOpened():
        capture.release()
        raise device.nothing_connected(_NAME)
    try:
        return _device(capture)
    except BaseException:
        capture.release()
        raise


def _device(capture: Any) -> device.Device:
    """The camera and frames of an opened device."""
    capture.set(cv2.CAP_PROP_OPENNI_REGISTRATION, 0)
    capture.set(cv2.CAP_PROP_OPENNI2_MIRROR, 0)
    mirrored = capture.get(cv2.CAP_PROP_OPENNI2_MIRROR) > 0
    height, width = _grab(capture, mirrored).counts.shape
    # The focal length at 640 x 480, from the factory; the SDK has no principal point.
    focal = capture.get(cv2.CAP_OPENNI_DEPTH_GENERATOR_FOCAL_LENGTH) * width / 640
    if not focal > 0:
        raise errors.BadInput(f"{_NAME}: the device does not tell its focal length")
    camera = calibration.make_camera(
        width, height, (focal, focal, width / 2, height / 2)
    )
    calibration.check_camera(camera, f"{_NAME}: depth")
    read = device.reader(
        lambda: _grab(capture, mirrored),
        depth_unit=_MILLIMETRE,
        rate=_RATE,
        name=_NAME,
    )
    return device.Device(
        name=_NAME,
        depth_camera=camera,
        depth_unit=_MILLIMETRE,
        rate=_RATE,
        read=read,
        close=capture.release,
    )


def _grab(capture: Any, mirrored: bool) -> device.Image:
    """Waits for the next depth image."""
    if not capture.grab():  # waits for two seconds
        raise errors.BadInput(f"{_NAME}: no frame for two seconds")
    good, depth = capture.retrieve(flag=cv2.CAP_OPENNI_DEPTH_MAP)
    if not good:
        raise errors.BadInput(f"{_NAME}: a frame has no depth")
    stamp = capture.get(_STAMP) * _MICROSECOND
    return device.Image(np.array(depth[:, ::-1] if mirrored else depth), None, stamp)
