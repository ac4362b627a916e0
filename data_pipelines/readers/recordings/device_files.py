"""Recordings in files of SDKs: Azure Kinect and Orbbec (.mkv), OpenNI (.oni)."""

import importlib
import pathlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from data_pipelines.cameras import calibration, k4a_calibration
from data_pipelines.readers.recordings import conversion
from unipose_jax import errors

_MILLIMETRE, _MICROSECOND = 1e-3, 1e-6
_ONI_STAMP = cv2.CAP_OPENNI_DEPTH_GENERATOR + cv2.CAP_PROP_POS_MSEC  # microseconds


def read_mkv(path: pathlib.Path) -> conversion.Source:
    """Depth of an Azure Kinect or Orbbec recording, through pyk4a.

    Colour is read where it is stored as BGRA or MJPG, in its own camera.

    Raises:
        errors.BadInput: pyk4a is not installed, or the file cannot be read.
    """
    try:
        pyk4a = importlib.import_module("pyk4a")
    except ImportError as error:
        raise errors.BadInput(
            f"{path}: .mkv files are read through pyk4a (pip install pyk4a, with the "
            "Azure Kinect SDK); or unpack it with Open3D's azure_kinect_mkv_reader.py "
            "and convert the folder"
        ) from error
    playback = pyk4a.PyK4APlayback(path)
    try:
        playback.open()
        captures = _captures(playback)
        rows = [(t, d, c) for t, d, c in captures if d is not None]
        cameras = _k4a_cameras(playback.calibration, pyk4a.CalibrationType, rows)
    except errors.BadInput:
        raise
    except Exception as error:  # the errors of pyk4a have no common class
        raise errors.BadInput(f"{path} cannot be read: {error}") from error
    finally:
        playback.close()
    depth_camera, color_camera, pose = cameras
    return conversion.Source(
        frames=[(depth, color) for _, depth, color in rows],
        depth_camera=depth_camera,
        color_camera=color_camera,
        color_from_depth=pose,
        depth_unit=_MILLIMETRE,
        time=np.array([time for time, _, _ in rows]) * 1e-6,
    )


def _captures(playback: Any) -> Iterator[tuple[int, Any, Any]]:
    """Microseconds, depth and RGB of each capture; None where it lacks one."""
    while True:
        try:
            capture = playback.get_next_capture()
        except EOFError:
            return
        color = capture.color
        if color is not None:
            if color.ndim == 1:  # MJPG
                color = cv2.imdecode(color, cv2.IMREAD_COLOR)
            color = None if color is None or color.ndim != 3 else color[..., 2::-1]
        yield capture.depth_timestamp_usec, capture.depth, color


def _k4a_cameras(found: Any, kinds: Any, rows: list) -> k4a_calibration.Cameras:
    """Cameras of a recording."""
    if not rows:
        raise errors.BadInput("the recording has no depth")
    color = next((color for _, _, color in rows if color is not None), None)
    return k4a_calibration.read(found, kinds, rows[0][1], color)


def read_oni(path: pathlib.Path) -> conversion.Source:
    """Depth of an OpenNI recording, through an OpenCV with OpenNI 2.

    OpenNI mirrors its images; the recording says so.

    Raises:
        errors.BadInput: this OpenCV has no OpenNI, or the file cannot be read.
    """
    capture = cv2.VideoCapture(str(path), cv2.CAP_OPENNI2)
    if not capture.isOpened():
        raise errors.BadInput(
            f"{path}: .oni files need an OpenCV built with OpenNI 2; or write its "
            "frames as 16-bit PNG and convert the folder with --mirrored"
        )
    frames, time = [], []
    try:
        focal = capture.get(cv2.CAP_OPENNI_DEPTH_GENERATOR_FOCAL_LENGTH)
        while capture.grab():
            good, depth = capture.retrieve(flag=cv2.CAP_OPENNI_DEPTH_MAP)
            if good:
                frames.append((np.array(depth), None))
                time.append(capture.get(_ONI_STAMP) * _MICROSECOND)
    finally:
        capture.release()
    if not frames:
        raise errors.BadInput(f"{path} has no depth")
    height, width = frames[0][0].shape
    focal *= width / 640  # it is that of 640 x 480
    camera = calibration.make_camera(
        width, height, (focal, focal, width / 2, height / 2)
    )
    calibration.check_camera(camera, str(path))
    stamped = (np.diff(time) > 0).all()
    if not stamped:
        errors.warn(f"{path} has no time stamps; 30 frames per second are assumed")
    return conversion.Source(
        frames=frames,
        depth_camera=camera,
        depth_unit=_MILLIMETRE,
        time=np.array(time) if stamped else None,
        fps=None if stamped else 30.0,
        mirrored=True,
    )
