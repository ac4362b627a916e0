"""Orthographic views of a 3D scene."""

import dataclasses
import math

import numpy as np
from jaxtyping import Float


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
