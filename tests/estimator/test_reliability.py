"""Which joints are valid."""

import numpy as np

from data_pipelines.cameras import calibration
from unipose_jax.estimator import reliability

CAMERA = calibration.make_camera(160, 120, np.array([140.0, 140.0, 80.0, 60.0]))


def test_a_joint_is_invalid_only_if_it_is_neither_seen_nor_confident():
    points = np.array([[0.0, 0.0, 2.0], [0.1, 0.0, 2.0]])
    xyz = np.array(
        [
            [0.0, 0.0, 2.1],  # near a point
            [0.5, 0.0, 2.0],  # inside the picture, far from all points
            [0.0, 1.2, 2.0],  # below the picture
            [0.0, 1.2, 2.0],
        ]
    )
    confidence = np.array([0.1, 0.1, 0.1, 0.3])
    reliable = reliability.reliable_joints(xyz, confidence, points, CAMERA)
    np.testing.assert_array_equal(reliable, [True, False, False, True])
