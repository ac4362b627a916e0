"""A recording folder in place of a camera: its frames at the times of recording."""

import time
from collections.abc import Iterator

import numpy as np

from data_pipelines.devices import device
from data_pipelines.readers.recordings import mounting_check, recording


def open_camera(which: str, *, realtime: bool = True) -> device.Device:
    """Opens a recording.

    Args:
        which: the recording folder.
        realtime: whether frames come at their times, counted from the first read, and
            are left out where the reader is late, as a camera does; False gives all
            frames, as fast as they can be read.

    Raises:
        errors.BadInput: the recording cannot be read.
    """
    opened = recording.open_recording(which)
    mounting_check.warn_if_turned(opened)
    frames = _play(opened, realtime)
    steps = np.diff(opened.time)
    return device.Device(
        name=str(opened.path),
        depth_camera=opened.depth_camera,
        color_camera=opened.color_camera,
        color_from_depth=opened.color_from_depth,
        depth_unit=opened.depth_unit,
        rate=float(1 / np.median(steps)) if len(steps) else 30.0,
        read=lambda: next(frames, None),
        to_recorded=None if opened.orientation.is_upright else opened.to_recorded,
    )


def _play(opened: recording.Recording, realtime: bool) -> Iterator[device.Frame]:
    """Reads the frames one after another."""
    began, dropped = time.monotonic(), 0
    for index, number in enumerate(opened.frames):
        due = began + float(opened.time[index])
        if realtime and _is_over(opened, index, began):
            dropped += 1
            continue
        depth, color = opened.depth(index), opened.color(index)
        if realtime:
            time.sleep(max(due - time.monotonic(), 0.0))
        arrived = time.monotonic()
        yield device.Frame(
            number, float(opened.time[index]), depth, color, arrived, dropped
        )
        dropped = 0


def _is_over(opened: recording.Recording, index: int, began: float) -> bool:
    """Whether the next frame is already due."""
    last = index + 1 == len(opened)
    return not last and began + float(opened.time[index + 1]) <= time.monotonic()
