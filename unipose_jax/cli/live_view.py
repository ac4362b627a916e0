"""A window of OpenCV with the frames and poses of `--mode=live`."""

import subprocess
import sys
from typing import Any

import cv2
import numpy as np

from data_pipelines import devices
from unipose_jax import errors, estimator
from unipose_jax import skeleton as skeletons
from unipose_jax.report.draw import overlay, palette

_TITLE = "unipose_jax (q closes)"
_KEYS = (ord("q"), 27)  # 27 is Esc
_RANGE = (0.5, 4.5)  # metres that most colours of a depth map are for


class Closed(Exception):
    """The window was closed."""


def check_display() -> None:
    """Checks that OpenCV can show a window.

    Raises:
        errors.BadInput: there is no display, or this OpenCV has no windows.
    """
    if "GUI: NONE" in " ".join(cv2.getBuildInformation().split()):
        raise errors.BadInput(
            "--view needs an OpenCV with windows, and this one has none: pip uninstall "
            "-y opencv-python-headless && pip install opencv-python"
        )
    # In a process of its own: Qt ends the one where it finds no display.
    program = [sys.executable, "-c", "import cv2; cv2.namedWindow('unipose_jax')"]
    if subprocess.run(program, capture_output=True).returncode:
        raise errors.BadInput(
            "--view: no window can be opened; is there a display (variable DISPLAY)?"
        )


class Window:
    """Shows frames; a context manager. `show` raises `Closed` when the user closes."""

    def __init__(self, camera: devices.Device, skeleton: str | None):
        """Takes the camera, and the skeleton of the poses, if there are any."""
        self._camera, self._skeleton = camera, skeleton

    def __enter__(self) -> "Window":
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL)
        return self

    def __exit__(self, *_: Any) -> None:
        cv2.destroyAllWindows()

    def show(self, frame: devices.Frame, pose: estimator.Pose | None) -> None:
        """Shows a frame with its pose."""
        image = draw(frame, pose, self._camera, self._skeleton)
        cv2.imshow(_TITLE, np.ascontiguousarray(image[..., ::-1]))
        pressed = cv2.waitKey(1) & 0xFF in _KEYS
        if pressed or cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            raise Closed


def draw(
    frame: devices.Frame,
    pose: estimator.Pose | None,
    camera: devices.Device,
    skeleton: str | None,
) -> np.ndarray:
    """The colour image, or the depth map without one, with the pose in front.

    Args:
        frame: of the camera.
        pose: None draws none.
        camera: projects the joints.
        skeleton: name of the skeleton of the pose.

    Returns:
        uint8 RGB (height, width, 3): the person's left in orange, the right in blue.
    """
    if frame.color is None or camera.color_camera is None:
        image = palette.depth_rgb(frame.depth, depth_range=_RANGE)
        shown, pose_of_it = camera.depth_camera, np.eye(4)
    else:
        image = np.ascontiguousarray(frame.color).copy()
        shown, pose_of_it = camera.color_camera, camera.color_from_depth
    if pose is None or skeleton is None:
        return image
    xyz = pose.xyz @ pose_of_it[:3, :3].T + pose_of_it[:3, 3]
    uv = shown.distort_uv(shown.project(xyz))
    known = pose.valid & np.isfinite(uv).all(axis=1)
    uv = np.where(known[:, None], uv, np.nan)
    overlay.draw_pose(image, uv, skeletons.by_name(skeleton))
    return image
