"""Projections: pixels of a camera, and orthographic views of a 3D scene."""

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from unipose_jax.geometry import camera

Limits = tuple[float, float, float, float]
AROUND = 0.4  # metres around the joints in which the cloud matters


@dataclasses.dataclass(frozen=True)
class View:
    """A direction to look at a scene from; up in the picture is up in the room.

    Attributes:
        name: for the reader.
        yaw: how far the viewer has walked around the person, radians. At 0 the viewer
            stands at the camera, at +pi/2 on the camera's right-hand side.
        pitch: how far the viewer is raised above the horizon, radians.
    """

    name: str
    yaw: float
    pitch: float = math.radians(10.0)


FRONT = View("seen from the camera", 0.0)
SIDE = View("seen from the camera's right", math.radians(90.0))
OBLIQUE = View(
    "seen from the camera's right, raised", math.radians(62), math.radians(24)
)


def uv_from_xyz(
    xyz: Float[np.ndarray, "*batch 3"], intrinsics: Float[np.ndarray, "4"]
) -> Float[np.ndarray, "*batch 2"]:
    """Pixels of points; NaN where a point is not in front of the camera.

    Args:
        xyz: metres, camera frame.
        intrinsics: (fx, fy, cx, cy), pixels.
    """
    ahead = np.where(xyz[..., 2:] > 1e-3, xyz, np.nan).reshape(-1, 3)
    return camera.uv_from_xyz(ahead, intrinsics).reshape(*xyz.shape[:-1], 2)


def plane_from_xyz(
    xyz: Float[np.ndarray, "*batch 3"], view: View
) -> Float[np.ndarray, "*batch 3"]:
    """Coordinates in a picture of the scene, without perspective.

    Args:
        xyz: metres, camera frame (y down).
        view: where the viewer stands.

    Returns:
        (to the right, up, towards the viewer) in metres.
    """
    sin, cos = math.sin(view.yaw), math.cos(view.yaw)
    rise, level = math.sin(view.pitch), math.cos(view.pitch)
    right = (cos, 0.0, sin)
    up = (-sin * rise, -level, cos * rise)
    toward = (sin * level, -rise, -cos * level)
    return xyz @ np.array([right, up, toward], dtype=np.float64).T


def finite_rows(values: Float[np.ndarray, "*rows channels"]) -> np.ndarray:
    """The rows without NaN or infinity, as one flat list (rows, channels)."""
    return values[np.all(np.isfinite(values), axis=-1)]


def focus(
    poses: list[Float[np.ndarray, "*rows 3"]],
    points: Float[np.ndarray, "points 3"] | None = None,
) -> Float[np.ndarray, "rows 3"]:
    """The points that a picture should frame, metres, camera frame.

    The joints and what the cloud has around them; without joints all of the cloud,
    without either a person-sized box 2.5 m ahead. A joint more than 2 m off the median
    joint is left out: it would shrink the picture to show nothing else.
    """
    joints = np.concatenate([np.zeros((0, 3)), *map(finite_rows, poses)])
    cloud = np.zeros((0, 3)) if points is None else finite_rows(points)
    if len(joints):
        distance = np.linalg.norm(joints - np.median(joints, axis=0), axis=-1)
        joints = joints[distance < 2.0] if (distance < 2.0).any() else joints
        low, high = joints.min(axis=0) - AROUND, joints.max(axis=0) + AROUND
        cloud = cloud[np.all((cloud > low) & (cloud < high), axis=-1)]
    if len(cloud):
        # Flying pixels would widen the picture.
        low, high = np.percentile(cloud, (1, 99), axis=0)
        cloud = cloud[np.all((cloud >= low) & (cloud <= high), axis=-1)]
    rows = np.concatenate([joints, cloud])
    return rows if len(rows) else np.array([(-0.5, -1.0, 2.5), (0.5, 1.0, 2.5)])


def framed(
    rows: Float[np.ndarray, "rows channels"], *, margin: float, aspect: float
) -> Limits:
    """The smallest window of a given shape around all rows and a margin.

    Args:
        rows: points in the plane; further channels are ignored. At least one.
        margin: added on every side, in the unit of the rows.
        aspect: width / height of the window.

    Returns:
        (left, low, right, high) of the window.
    """
    low, high = rows[:, :2].min(axis=0) - margin, rows[:, :2].max(axis=0) + margin
    width, height = (float(side) for side in high - low)
    width, height = max(width, height * aspect), max(height, width / aspect)
    x, y = (float(side) for side in (low + high) / 2.0)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
