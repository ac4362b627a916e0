"""Which predicted joints can be relied on."""

import numpy as np

from data_pipelines.cameras import calibration

UNSURE = 0.2  # a joint with a lower confidence that is not seen either is invalid
_SUPPORT = 0.2  # metres from the nearest point of the person, beyond which is unseen


def reliable_joints(
    xyz: np.ndarray,
    confidence: np.ndarray,
    points: np.ndarray,
    camera: calibration.Camera,
) -> np.ndarray:
    """Mask of the joints that are seen or confident: bool (joints,).

    A joint is not seen if it lies outside the picture, or far from all points of the
    person: the legs of a person whose upper body is in the picture, for example.

    Args:
        xyz: (joints, 3), metres, depth-camera frame.
        confidence: (joints,), in [0, 1].
        points: (points, 3) of the person, metres, depth-camera frame.
        camera: depth camera.
    """
    u, v = camera.distort_uv(camera.project(xyz)).T
    inside = (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
    some = points[:: max(1, len(points) // 2000)]
    distance = np.linalg.norm(xyz[:, None] - some[None], axis=-1).min(axis=1)
    return (confidence >= UNSURE) | (inside & (distance < _SUPPORT))
