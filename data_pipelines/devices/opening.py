"""Opens a depth camera by name."""

import importlib

from data_pipelines.devices import device, recorded
from unipose_jax import errors

NAMES = ("realsense", "azure", "orbbec", "openni", "recording")


def open_camera(name: str, *, realtime: bool = True) -> device.Device:
    """Opens a depth camera, or a recording in its place.

    Args:
        name: "realsense", "azure", "orbbec" or "openni", with ":" and a serial number
            or a device's number for one of several; "recording:FOLDER".
        realtime: whether a recording plays at its own rate; see `recorded.open_camera`.

    Raises:
        errors.BadInput: the camera, its package or the recording is missing; the line
            says what to install.
    """
    kind, _, which = name.partition(":")
    if kind not in NAMES:
        raise errors.BadInput(
            f"unknown camera {name!r}; use one of {', '.join(NAMES[:-1])} or "
            "recording:FOLDER"
        )
    if kind == "recording":
        if not which:
            raise errors.BadInput(
                "the camera recording needs its folder: recording:DIR"
            )
        return recorded.open_camera(which, realtime=realtime)
    # Imported when used: openni needs more of OpenCV than other files do.
    module = importlib.import_module(f"data_pipelines.devices.{kind}")
    with device.one_line(name):
        return module.open_camera(which)
