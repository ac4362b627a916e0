"""Azure Kinect, and Orbbec Femto with the same SDK, through pyk4a.

Depth and colour keep their own pixels; the calibration of the device relates them.
"""

from typing import Any

import numpy as np

from data_pipelines.cameras import calibration, k4a_calibration
from data_pipelines.devices import device
from unipose_jax import errors

_NAME = "azure"
_RATE = 30  # frames per second
_MILLIMETRE, _MICROSECOND = 1e-3, 1e-6


def open_camera(which: str) -> device.Device:
    """Starts depth with the narrow view, 640 x 576, and colour, 1280 x 720.

    Args:
        which: number of the device; "" for the first, 0.

    Raises:
        errors.BadInput: pyk4a or the device is missing.
    """
    pyk4a = device.import_sdk(
        "pyk4a", _NAME, "pip install pyk4a, after Microsoft's Azure Kinect SDK"
    )
    if which and not which.isdecimal():
        raise errors.BadInput(f"{_NAME}:{which}: give the number of the device, from 0")
    if pyk4a.connected_device_count() <= int(which or 0):
        raise device.nothing_connected(_NAME)
    config = pyk4a.Config(
        color_resolution=pyk4a.ColorResolution.RES_720P,
        color_format=pyk4a.ImageFormat.COLOR_BGRA32,
        depth_mode=pyk4a.DepthMode.NFOV_UNBINNED,
        camera_fps=pyk4a.FPS.FPS_30,
        synchronized_images_only=True,
    )
    opened = pyk4a.PyK4A(config, device_id=int(which or 0))
    opened.start()
    try:
        return _device(pyk4a, opened)
    except BaseException:
        opened.stop()
        raise


def _device(pyk4a: Any, opened: Any) -> device.Device:
    """The cameras and frames of a running device."""
    first = _grab(opened)
    cameras = k4a_calibration.read(
        opened.calibration, pyk4a.CalibrationType, first.counts, first.color
    )
    calibration.check_camera(cameras.depth, f"{_NAME}: depth")
    assert cameras.color is not None
    assert cameras.color_from_depth is not None
    calibration.check_camera(cameras.color, f"{_NAME}: colour")
    return device.Device(
        name=_NAME,
        depth_camera=cameras.depth,
        color_camera=cameras.color,
        color_from_depth=cameras.color_from_depth.astype(np.float32),
        depth_unit=_MILLIMETRE,
        rate=_RATE,
        read=device.reader(
            lambda: _grab(opened), depth_unit=_MILLIMETRE, rate=_RATE, name=_NAME
        ),
        close=opened.stop,
    )


def _grab(opened: Any) -> device.Image:
    """Waits for the next pair of images."""
    while True:
        capture = opened.get_capture(timeout=int(1000 * device.TIMEOUT))
        if capture.depth is not None and capture.color is not None:
            break
    color = np.ascontiguousarray(
        capture.color[..., 2::-1]
    )  # of blue, green, red, alpha
    stamp = capture.depth_timestamp_usec * _MICROSECOND
    return device.Image(np.array(capture.depth), color, stamp)
