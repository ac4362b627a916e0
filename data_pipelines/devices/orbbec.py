"""Orbbec depth cameras (Femto, Gemini, Astra), through pyorbbecsdk.

Depth and colour keep their own pixels; the calibration of the device relates them.
"""

from typing import Any

import cv2
import numpy as np

from data_pipelines.cameras import calibration, camera_keys
from data_pipelines.devices import device
from unipose_jax import errors

_NAME = "orbbec"
_MILLIMETRE, _MICROSECOND = 1e-3, 1e-6
_PIXEL_CENTER = 0.5  # of the SDK: first pixel centre at (0, 0)
_LENS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")


def open_camera(which: str) -> device.Device:
    """Starts depth and colour with the profiles that the device prefers.

    Args:
        which: serial number; "" for the first device.

    Raises:
        errors.BadInput: pyorbbecsdk or the device is missing.
    """
    sdk = device.import_sdk("pyorbbecsdk", _NAME, "pip install pyorbbecsdk2")
    sdk.Context.set_logger_to_file(sdk.OBLogLevel.NONE, "")  # by default in ./Log
    found = sdk.Context().query_devices()
    if not len(found):
        raise device.nothing_connected(_NAME)
    chosen = found.get_device_by_serial_number(which) if which else found[0]
    pipeline, config = sdk.Pipeline(chosen), sdk.Config()
    depth = _profile(pipeline, sdk.OBSensorType.DEPTH_SENSOR)
    config.enable_stream(depth)
    config.enable_stream(_profile(pipeline, sdk.OBSensorType.COLOR_SENSOR))
    pipeline.enable_frame_sync()
    pipeline.start(config)
    try:
        return _device(sdk, pipeline, float(depth.get_fps()))
    except BaseException:
        pipeline.stop()
        raise


def _profile(pipeline: Any, sensor: Any) -> Any:
    return pipeline.get_stream_profile_list(sensor).get_default_video_stream_profile()


def _device(sdk: Any, pipeline: Any, rate: float) -> device.Device:
    """The cameras and frames of a running device."""
    first = _wait(pipeline)  # the calibration is known after it
    unit = float(first.get_depth_frame().get_depth_scale()) * _MILLIMETRE
    found = pipeline.get_camera_param()
    read = device.reader(
        lambda: _image(sdk, _wait(pipeline)), depth_unit=unit, rate=rate, name=_NAME
    )
    return device.Device(
        name=_NAME,
        depth_camera=_camera(found.depth_intrinsic, found.depth_distortion, "depth"),
        color_camera=_camera(found.rgb_intrinsic, found.rgb_distortion, "colour"),
        color_from_depth=_pose(found.transform),
        depth_unit=unit,
        rate=rate,
        read=read,
        close=pipeline.stop,
    )


def _wait(pipeline: Any) -> Any:
    """Waits for frames with depth."""
    while True:
        frames = pipeline.wait_for_frames(int(1000 * device.TIMEOUT))
        if frames is None:
            raise errors.BadInput(f"{_NAME}: no frame for {device.TIMEOUT:g} s")
        if frames.get_depth_frame() is not None:
            return frames


def _image(sdk: Any, frames: Any) -> device.Image:
    """Depth and colour of frames."""
    depth, color = frames.get_depth_frame(), frames.get_color_frame()
    shape = depth.get_height(), depth.get_width()
    data = np.asanyarray(depth.get_data())
    if data.nbytes != 2 * shape[0] * shape[1]:
        raise errors.BadInput(
            f"{_NAME}: depth has the format {depth.get_format()}; expected 16 bits"
        )
    return device.Image(
        np.array(data.reshape(-1).view(np.uint16).reshape(shape)),
        None if color is None else _rgb(sdk.OBFormat, color),
        depth.get_timestamp_us() * _MICROSECOND,
    )


def _rgb(formats: Any, frame: Any) -> np.ndarray | None:
    """A colour frame as RGB; None if its data are damaged."""
    data, kind = np.asanyarray(frame.get_data()), frame.get_format()
    if kind == formats.MJPG:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return None if image is None else np.ascontiguousarray(image[..., ::-1])
    shape = frame.get_height(), frame.get_width(), -1
    if kind == formats.RGB:
        return np.array(data.reshape(shape))
    if kind == formats.BGR:
        return np.ascontiguousarray(data.reshape(shape)[..., ::-1])
    if kind in (formats.YUYV, formats.UYVY):
        code = (
            cv2.COLOR_YUV2RGB_YUY2 if kind == formats.YUYV else cv2.COLOR_YUV2RGB_UYVY
        )
        return cv2.cvtColor(data.reshape(shape), code)
    raise errors.BadInput(f"{_NAME}: colour has the format {kind}, which is not read")


def _camera(intrinsics: Any, lens: Any, kind: str) -> calibration.Camera:
    """A camera of `OBCameraIntrinsic` and `OBCameraDistortion`."""
    entry = {key: getattr(intrinsics, key) for key in ("width", "height", "fx", "fy")}
    entry |= {key: getattr(intrinsics, key) + _PIXEL_CENTER for key in ("cx", "cy")}
    entry |= {key: getattr(lens, key) for key in _LENS}
    if not any(entry[key] for key in ("k4", "k5", "k6")):
        entry = {key: v for key, v in entry.items() if key not in ("k4", "k5", "k6")}
    if (model := getattr(lens, "model", None)) is not None:
        entry["model"] = str(model)
    return camera_keys.read_camera(entry, f"{_NAME}: {kind}")


def _pose(found: Any) -> np.ndarray:
    """The 4x4 transform from depth to colour; the SDK has millimetres, by rows."""
    pose = np.eye(4, dtype=np.float32)
    pose[:3, :3] = np.reshape(found.rot, (3, 3))
    pose[:3, 3] = np.asarray(found.transform) * _MILLIMETRE
    return pose
