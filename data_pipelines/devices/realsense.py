"""Intel RealSense depth cameras, through pyrealsense2 (librealsense).

Depth and colour keep their own pixels; the calibration of the device relates them.
"""

from typing import Any

import numpy as np

from data_pipelines.cameras import calibration, camera_keys
from data_pipelines.devices import device

_NAME = "realsense"
_RATE = 30  # frames per second, which all models have
_MILLISECOND = 1e-3


def open_camera(which: str) -> device.Device:
    """Starts depth and colour, in the default resolution of the device.

    Args:
        which: serial number; "" for the first device.

    Raises:
        errors.BadInput: pyrealsense2 or the device is missing.
    """
    rs = device.import_sdk("pyrealsense2", _NAME, "pip install pyrealsense2")
    if not len(rs.context().query_devices()):
        raise device.nothing_connected(_NAME)
    config, pipeline = rs.config(), rs.pipeline()
    if which:
        config.enable_device(which)
    config.enable_stream(rs.stream.depth, rs.format.z16, _RATE)
    config.enable_stream(rs.stream.color, rs.format.rgb8, _RATE)
    profile = pipeline.start(config)
    try:
        return _device(rs, pipeline, profile)
    except BaseException:
        pipeline.stop()
        raise


def _device(rs: Any, pipeline: Any, profile: Any) -> device.Device:
    """The cameras and frames of a running device."""
    depth = profile.get_stream(rs.stream.depth).as_video_stream_profile()
    color = profile.get_stream(rs.stream.color).as_video_stream_profile()
    unit = float(profile.get_device().first_depth_sensor().get_depth_scale())
    read = device.reader(
        lambda: _grab(pipeline), depth_unit=unit, rate=_RATE, name=_NAME
    )
    return device.Device(
        name=_NAME,
        depth_camera=_camera(depth.get_intrinsics(), f"{_NAME}: depth"),
        color_camera=_camera(color.get_intrinsics(), f"{_NAME}: colour"),
        color_from_depth=_pose(depth.get_extrinsics_to(color)),
        depth_unit=unit,
        rate=_RATE,
        read=read,
        close=pipeline.stop,
    )


def _grab(pipeline: Any) -> device.Image:
    """Waits for the next pair of images."""
    while True:
        frames = pipeline.wait_for_frames(int(1000 * device.TIMEOUT))
        depth, color = frames.get_depth_frame(), frames.get_color_frame()
        if depth:
            break
    return device.Image(
        np.array(depth.get_data()),
        np.array(color.get_data()) if color else None,
        depth.get_timestamp() * _MILLISECOND,
    )


def _camera(found: Any, where: str) -> calibration.Camera:
    """A camera of `rs2_intrinsics`."""
    entry = {key: getattr(found, key) for key in ("width", "height", "fx", "fy")}
    # `ppx` and `ppy` have pixel centres at integers, which `read_camera` knows.
    entry |= {"ppx": found.ppx, "ppy": found.ppy}
    entry |= {"model": str(found.model), "coeffs": list(found.coeffs)}
    return camera_keys.read_camera(entry, where)


def _pose(found: Any) -> np.ndarray:
    """The 4x4 transform of `rs2_extrinsics`: metres, the rotation by columns."""
    pose = np.eye(4, dtype=np.float32)
    pose[:3, :3] = np.reshape(found.rotation, (3, 3)).T
    pose[:3, 3] = found.translation
    return pose
