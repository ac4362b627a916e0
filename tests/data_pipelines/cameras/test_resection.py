import numpy as np
import pytest

from data_pipelines.cameras import resection
from tests.data_pipelines.originals import videopose


def room(points):
    """Points in the volume of a room, z up."""
    rng = np.random.default_rng(0)
    return rng.uniform([-1.5, -1.5, 0], [1.5, 1.5, 1.8], (points, 3)).astype(np.float32)


@pytest.mark.parametrize("number", range(5))
def test_the_true_camera_is_recovered(number):
    xyz = room(2000)
    truth = videopose.in_camera(xyz, number)
    uv = videopose.project(truth, videopose.HUMANEVA_LENS)
    placed = resection.fit_camera(xyz, uv, (640, 480))
    np.testing.assert_allclose(placed.to_camera(xyz), truth, atol=1e-5)
    np.testing.assert_allclose(placed.project(xyz), uv, atol=2e-3)
    lens = videopose.HUMANEVA_LENS
    found = placed.camera.intrinsics
    np.testing.assert_allclose(found, [*lens.focal, *lens.center], atol=1e-2)
    assert (placed.camera.width, placed.camera.height) == (640, 480)


@pytest.mark.parametrize(
    ("xyz", "message"),
    [
        (room(100) * [1, 1, 0] + [0, 0, 1], "lie in a plane"),
        (np.ones((100, 3)), "lie in a plane"),
        (room(4), "cannot fit a camera that maps the 3D points"),
    ],
)
def test_points_that_do_not_determine_a_camera_are_rejected(xyz, message):
    uv = videopose.project(videopose.in_camera(xyz, 0), videopose.HUMANEVA_LENS)
    with pytest.raises(ValueError, match=message):
        resection.fit_camera(xyz, uv, (640, 480))
