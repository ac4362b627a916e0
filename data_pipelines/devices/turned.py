"""Cameras that are mounted upside down or on their side, as upright ones."""

import dataclasses

from data_pipelines.cameras import orientation
from data_pipelines.devices import device


def upright(camera: device.Device, up: str) -> device.Device:
    """The camera whose images are turned so that `up` is at the top.

    Args:
        camera: as mounted.
        up: side of its images that is up in the scene, a key of `orientation.TURNS`.
    """
    mounting = orientation.Orientation(up)
    if mounting.is_upright:
        return camera

    def read() -> device.Frame | None:
        frame = camera.read()
        if frame is None:
            return None
        color = frame.color
        return frame._replace(
            depth=mounting.turn_image(frame.depth),
            color=None if color is None else mounting.turn_image(color),
        )

    color = camera.color_camera
    return dataclasses.replace(
        camera,
        read=read,
        depth_camera=mounting.turn_camera(camera.depth_camera),
        color_camera=None if color is None else mounting.turn_camera(color),
        color_from_depth=mounting.turn_pose(camera.color_from_depth),
    )
