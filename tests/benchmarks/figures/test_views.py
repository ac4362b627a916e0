import math

import numpy as np
import pytest

from benchmarks.figures import views


def test_up_in_the_room_is_up_in_every_view():
    above = np.array([0.0, -1.0, 0.0])  # camera y points down
    for yaw in np.linspace(-3.0, 3.0, 7):
        plane = views.plane_from_xyz(above, views.View("", float(yaw), 0.2))
        np.testing.assert_allclose(plane[:2], [0.0, math.cos(0.2)], atol=1e-12)


@pytest.mark.parametrize(
    ("yaw", "pitch", "expected"),
    [
        (0.0, 0.0, (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)),  # as the camera sees it
        (math.pi / 2, 0.0, (0.0, 0.0, 1.0, 1.0, 0.0, 0.0)),  # depth to the right
        (0.0, math.pi / 2, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)),  # from above, depth up
    ],
)
def test_known_views_of_the_x_and_z_axes(yaw, pitch, expected):
    plane = views.plane_from_xyz(np.eye(3)[[0, 2]], views.View("", yaw, pitch))
    np.testing.assert_allclose(plane.ravel(), expected, atol=1e-12)


def test_views_keep_distances():
    xyz = np.random.default_rng(0).normal(size=(5, 3))
    plane = views.plane_from_xyz(xyz, views.View("", 1.1, 0.4))
    np.testing.assert_allclose(
        np.linalg.norm(plane, axis=-1), np.linalg.norm(xyz, axis=-1), rtol=1e-12
    )
