"""Depth cameras, one file per vendor, and recordings in their place.

with devices.open_camera("realsense") as camera:
    for frame in devices.newest(camera):  # or `in camera`, for all frames
        frame.depth, frame.color, frame.time
"""

from data_pipelines.devices.device import Device, Frame
from data_pipelines.devices.newest import newest
from data_pipelines.devices.opening import NAMES, open_camera

__all__ = ["NAMES", "Device", "Frame", "newest", "open_camera"]
