"""A window of OpenCV with the frames and poses of `--mode=live`."""

import subprocess
import sys
from typing import Any

import cv2
import numpy as np

from data_pipelines import devices
from unipose_jax import errors, estimator
from unipose_jax import skeleton as skeletons
from unipose_jax.report.draw import palette

_TITLE = "unipose_jax (q closes)"
_KEYS = (ord("q"), 27)  # 27 is Esc
_RANGE = (0.5, 4.5)  # metres that most colours of a depth map are for
_FAR = 1e4  # pixels
_SIZE = 480  # pixels of the height for which lines are as thick as given here


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
    # OpenCV puts pixel centres at integers.
    uv = shown.distort_uv(shown.project(xyz)) - 0.5
    known = pose.valid & np.isfinite(uv).all(axis=1)
    _draw_skeleton(image, np.where(known[:, None], uv, np.nan), skeleton)
    return image


def _draw_skeleton(image: np.ndarray, uv: np.ndarray, skeleton: str) -> None:
    """Draws bones and joints; those that are NaN are left out."""
    body = skeletons.by_name(skeleton)
    width = max(1, round(3 * image.shape[0] / _SIZE))
    places = [_pixel(place) for place in uv]
    for (child, parent), color in zip(
        body.bones, palette.bone_colors(body), strict=True
    ):
        begin, end = places[child], places[parent]
        if begin is not None and end is not None:  # with a white edge
            cv2.line(image, begin, end, (255, 255, 255), width + 2, cv2.LINE_AA)
            cv2.line(image, begin, end, _rgb(color), width, cv2.LINE_AA)
    for place, color in zip(places, palette.joint_colors(body), strict=True):
        if place is not None:
            cv2.circle(image, place, 2 * width, (255, 255, 255), -1, cv2.LINE_AA)
            cv2.circle(image, place, 2 * width - 1, _rgb(color), -1, cv2.LINE_AA)


def _pixel(place: np.ndarray) -> tuple[int, int] | None:
    """The nearest pixel; None for NaN, and far away, where OpenCV cannot draw."""
    if not (np.abs(place) < _FAR).all():
        return None
    return round(float(place[0])), round(float(place[1]))


def _rgb(color: palette.Color) -> tuple[int, int, int]:
    red, green, blue = (round(255 * channel) for channel in color)
    return red, green, blue
