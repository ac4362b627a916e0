"""Cameras of an Azure Kinect, from the calibration object of pyk4a."""

from typing import Any, NamedTuple

import numpy as np

from data_pipelines.cameras import calibration

_PIXEL_CENTER = 0.5  # of the SDK: first pixel centre at (0, 0)


class Cameras(NamedTuple):
    """The cameras of a device; without colour, `color` and `color_from_depth` None."""

    depth: calibration.Camera
    color: calibration.Camera | None
    color_from_depth: np.ndarray | None  # float64 (4, 4), metres


def read(
    found: Any, kinds: Any, depth: np.ndarray, color: np.ndarray | None
) -> Cameras:
    """Depth camera, colour camera and the transform between them.

    Args:
        found: `pyk4a.Calibration`.
        kinds: `pyk4a.CalibrationType`.
        depth: a depth image, for its size.
        color: a colour image, or None without colour.
    """

    def camera(kind: Any, image: np.ndarray) -> calibration.Camera:
        matrix = np.asarray(found.get_camera_matrix(kind), np.float64)
        focal, center = matrix[[0, 1], [0, 1]], matrix[:2, 2] + _PIXEL_CENTER
        lens = np.asarray(found.get_distortion_coefficients(kind), np.float64)[:8]
        height, width = image.shape[:2]
        return calibration.make_camera(width, height, [*focal, *center], lens)

    depth_camera = camera(kinds.DEPTH, depth)
    if color is None:
        return Cameras(depth_camera, None, None)
    # Millimetres; the images of the origin and of the axes give the transform.
    points = [(0.0, 0.0, 0.0), (1000.0, 0.0, 0.0), (0.0, 1000.0, 0.0)]
    points.append((0.0, 0.0, 1000.0))
    ends = np.array(
        [found.convert_3d_to_3d(p, kinds.DEPTH, kinds.COLOR) for p in points]
    )
    pose = np.eye(4)
    pose[:3, :3] = (ends[1:] - ends[0]).T / 1000.0
    pose[:3, 3] = ends[0] / 1000.0
    return Cameras(depth_camera, camera(kinds.COLOR, color), pose)
