"""Poses of a camera's frames: lens, colour camera and joint order are accounted for."""

import types

import numpy as np
import pytest

import unipose_jax
from data_pipelines.cameras import calibration
from tests import keypoint_network
from tests.data_pipelines import conftest as rooms
from unipose_jax import errors, estimator, models, skeleton

LENS = (0.1, -0.05, 0.001, 0.002, 0.0)
COLOR = calibration.make_camera(320, 240, (290.0, 285.0, 150.0, 125.0), LENS)
POSE = np.eye(4, dtype=np.float32)
POSE[:3, 3] = [-0.06, 0.01, 0.0]
CAMERA = types.SimpleNamespace(
    depth_camera=rooms.CAMERA, color_camera=COLOR, color_from_depth=POSE
)
SPHERES = rooms.person_spheres(0.0, 2.5)
# Points of the front of the person in place of joints.
BODY = np.concatenate([SPHERES[::4, :3]] * 2)[:17] - [0.0, 0.0, 0.1]
UV = COLOR.distort_uv(COLOR.project(BODY + POSE[:3, 3]))
SURE = np.full(17, 0.9)


@pytest.fixture(scope="module")
def depth():
    return rooms.render(SPHERES)[0]


@pytest.fixture(autouse=True)
def network(monkeypatch):
    """The network of `keypoint_network`, also in place of the weights that ship."""
    monkeypatch.setattr(models, "NETWORKS", dict(models.NETWORKS))
    keypoint_network.register()
    made, loaded = keypoint_network.make(), []
    monkeypatch.setattr(
        estimator.network,
        "load_shipped",
        lambda modality="points": loaded.append(modality) or made,
    )
    return made, loaded


def test_joints_lie_on_the_rays_of_the_detectors_keypoints(network, depth):
    track = unipose_jax.Tracker(CAMERA, network=network[0])
    pose = track(depth, 0.0, keypoints=(UV, SURE))
    assert track.used_keypoints
    knee = skeleton.ITOP15.index("left_knee")
    seen = COLOR.project(pose.xyz[knee] + POSE[:3, 3])
    expected = COLOR.undistort(UV)[skeleton.COCO17.index("left_knee")]
    np.testing.assert_allclose(seen, expected, atol=0.02)  # pixels, float32
    assert pose.valid.dtype == bool
    assert len(track.person) > 100
    assert np.abs(track.person[:, 2] - 2.5).max() < 0.5


def test_the_weights_that_ship_are_chosen_by_the_first_keypoints(network, depth):
    made, loaded = network
    track = estimator.Tracker(CAMERA)
    track.warm_up()
    assert loaded == ["points"]
    assert track(depth, 0.0) is not None
    track(depth, 0.1, keypoints=(UV, SURE))
    assert loaded == ["points"]  # the stand-in takes keypoints
    estimator.Tracker(CAMERA).warm_up(keypoints=True)
    assert loaded == ["points", "points_keypoints"]


def test_a_camera_of_depth_alone_is_enough(network, depth):
    track = estimator.Tracker(rooms.CAMERA, network=network[0])
    assert track(np.zeros_like(depth), 0.0) is None
    assert track(depth, 0.1).xyz.shape == (15, 3)
    assert not track.used_keypoints


def test_warming_up_leaves_no_trace(network, depth):
    warm = estimator.Tracker(CAMERA, network=network[0])
    warm.warm_up(keypoints=True)
    assert not len(warm.person)
    cold = estimator.Tracker(CAMERA, network=network[0])
    np.testing.assert_allclose(warm(depth, 0.0).xyz, cold(depth, 0.0).xyz, atol=1e-6)


def test_keypoints_that_do_not_fit_are_refused(network, depth, monkeypatch):
    track = estimator.Tracker(CAMERA, network=network[0])
    with pytest.raises(ValueError, match=r"expected \(17, 2\) and \(17,\) for COCO17"):
        track(depth, 0.0, keypoints=(UV[:15], SURE[:15]))
    monkeypatch.setattr(estimator.Estimator, "takes_keypoints", False)
    monkeypatch.setattr(
        estimator.Estimator, "inputs", ("points", "points_valid", "time")
    )
    with pytest.raises(errors.BadInput, match="no 2D keypoints"):
        estimator.Tracker(CAMERA, network=network[0])(depth, 0.0, keypoints=(UV, SURE))
