"""Which predicted joints are valid and which frames are doubtful."""

import dataclasses

import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from unipose_jax import estimator, skeleton
from unipose_jax.cli import prediction_quality
from unipose_jax.physics import anthropometry

PERSON = np.asarray(anthropometry.standing_pose(skeleton.ITOP15)) + [0.0, 0.0, 2.0]
CAMERA = calibration.make_camera(160, 120, np.array([140.0, 140.0, 80.0, 60.0]))


def poses(confidence):
    confidence = np.asarray(confidence, np.float32)
    frames, joints = confidence.shape
    return pose_file.PoseFile(
        xyz=np.repeat(PERSON[None], frames, axis=0),
        confidence=confidence,
        skeleton="ITOP15",
        time=np.arange(frames) / 15,
    )


def test_quality_is_the_mean_confidence_and_zero_without_a_pose():
    pose = poses(np.full((2, 15), 0.6))
    pose.xyz[1] = np.nan
    np.testing.assert_allclose(prediction_quality.quality(pose), [0.6, 0.0])


def test_doubtful_frames_are_counted():
    pose = poses(np.full((3, 15), 0.9))
    line = prediction_quality.summary(pose)
    assert line == "3 of 3 frames show a person"
    quality = np.array([0.9, 0.2, 0.3], np.float32)
    line = prediction_quality.summary(dataclasses.replace(pose, quality=quality))
    assert line.startswith("3 of 3 frames show a person; 2 of them are doubtful")


def test_small_people_are_mentioned_with_their_stature():
    pose = poses(np.full((3, 15), 0.9))
    assert abs(prediction_quality.stature(pose) - anthropometry.STATURE) < 0.1
    small = dataclasses.replace(pose, xyz=0.6 * pose.xyz)
    assert "who seems to be 1.0" in prediction_quality.summary(small)
    tall = dataclasses.replace(pose, xyz=1.4 * pose.xyz)
    assert "a wrong depth_unit" in prediction_quality.summary(tall)


def test_the_pose_in_the_points_of_a_box_is_doubtful():
    rng = np.random.default_rng(0)
    surface = rng.uniform(-1.0, 1.0, (3000, 3))
    surface[np.arange(3000), rng.integers(0, 3, 3000)] = -1.0
    points = surface * [0.35, 0.5, 0.3] + [0.0, 0.4, 2.5]
    network = estimator.load_shipped()
    live = estimator.OnlineEstimator(network, CAMERA.rays(), CAMERA.intrinsics)
    _, confidence = live.from_points(points, 0.0)
    assert confidence.mean() < 0.3
