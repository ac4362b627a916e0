"""Opens a depth camera by name."""

import importlib

from data_pipelines.cameras import orientation
from data_pipelines.devices import device, recorded, turned
from unipose_jax import errors

NAMES = ("realsense", "azure", "orbbec", "openni", "recording")


def open_camera(name: str, *, realtime: bool = True, up: str = "top") -> device.Device:
    """Opens a depth camera, or a recording in its place.

    Args:
        name: "realsense", "azure", "orbbec" or "openni", with ":" and a serial number
            or a device's number for one of several; "recording:FOLDER".
        realtime: whether a recording plays at its own rate; see `recorded.open_camera`.
        up: side of the images that is up in the scene: "top", "bottom", "left" or
            "right". Frames come upright. The file of a recording says it instead.

    Raises:
        errors.BadInput: the camera, its package or the recording is missing; the line
            says what to install.
    """
    if up not in orientation.TURNS:
        choices = ", ".join(orientation.TURNS)
        raise errors.BadInput(f"the side {up!r} cannot be up; use one of {choices}")
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
        if up != "top":
            raise errors.BadInput(f'{which}: "up" is a key of its camera.json, no flag')
        return recorded.open_camera(which, realtime=realtime)
    # Imported when used: openni needs more of OpenCV than other files do.
    module = importlib.import_module(f"data_pipelines.devices.{kind}")
    with device.one_line(name):
        return turned.upright(module.open_camera(which), up)
