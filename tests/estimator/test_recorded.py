"""Prediction of recorded frames in clips."""

import dataclasses

import numpy as np
import pytest

from unipose_jax import estimator

CAMERA = np.float32([200.0, 200.0, 160.0, 120.0])


@pytest.fixture(scope="module")
def network():
    shipped = estimator.load_shipped()
    few = {**shipped.model, "num_patches": 8, "num_blocks": 2}
    return dataclasses.replace(shipped, model=few, num_points=64)


def cloud(number):
    rng = np.random.default_rng(number)
    return rng.normal((0.1 * number, 0.0, 3.0), 0.3, (100, 3)).astype(np.float32)


def frames_at(times, hidden=()):
    return [
        estimator.PersonFrame(
            np.zeros((0, 3), np.float32) if number in hidden else cloud(number), time
        )
        for number, time in enumerate(times)
    ]


def direct(network, numbers, times):
    """Joints of a clip of whole frames, by the network itself."""
    live = estimator.OnlineEstimator(network, np.zeros((2, 2, 2)), CAMERA)
    for number, time in zip(numbers, times, strict=True):
        pose = live.from_points(cloud(number), time)
    assert pose is not None
    return pose[0]


def predicted(network, frames):
    return list(estimator.predict_frames(network, frames))


def test_the_last_frame_of_each_clip_is_that_of_the_live_window(network):
    times = np.arange(7) / 15
    poses = predicted(network, frames_at(times))
    assert len(poses) == 7
    for last in (2, 5, 6):  # the seventh frame is filled up with two before it
        window = range(last - 2, last + 1)
        expected = direct(network, window, times[list(window)])
        np.testing.assert_allclose(poses[last].xyz, expected, atol=1e-5)


def test_other_frames_of_a_clip_see_the_frames_after_them(network):
    poses = predicted(network, frames_at(np.arange(3) / 15))
    alone = predicted(network, frames_at([0.0]))
    assert np.abs(poses[0].xyz - alone[0].xyz).max() > 1e-3


def test_clips_end_at_gaps_and_where_nobody_is_seen(network):
    times = np.array([0.0, 0.1, 5.0, 5.1, 5.2, 5.3])
    poses = predicted(network, frames_at(times, hidden=[3]))
    assert poses[3] is None
    shown = (0, 1), (2,), (4, 5)
    for part in shown:
        expected = direct(network, part, times[list(part)])
        np.testing.assert_allclose(poses[part[-1]].xyz, expected, atol=1e-5)


def test_frames_are_read_no_more_than_a_clip_ahead(network):
    read = []

    def frames():
        for number, frame in enumerate(frames_at(np.arange(9) / 15)):
            read.append(number)
            yield frame

    poses = estimator.predict_frames(network, frames())
    next(poses)
    assert len(read) == network.frames


def test_nobody_in_any_frame(network):
    assert predicted(network, frames_at([0.0, 0.1], hidden=[0, 1])) == [None, None]
    assert predicted(network, []) == []


def test_keypoints_of_a_frame_count_for_that_frame():
    network = estimator.load_shipped("points_keypoints")
    given = estimator.KeypointCamera(CAMERA)
    body = cloud(0)
    flat = body[:15]
    uv = CAMERA[:2] * flat[:, :2] / flat[:, 2:] + CAMERA[2:]
    keypoints = (uv, np.ones(15, np.float32))
    frames = [
        estimator.PersonFrame(
            body, number / 15, keypoints=keypoints if number else None
        )
        for number in range(3)
    ]
    poses = list(estimator.predict_frames(network, frames, keypoint_camera=given))
    assert [pose.used_keypoints for pose in poses] == [False, True, True]


def test_wrong_units_and_missing_cameras_are_refused(network):
    with pytest.raises(ValueError, match="as in millimetres"):
        predicted(network, [estimator.PersonFrame(1000 * cloud(0), 0.0)])
    with pytest.raises(ValueError, match="seconds"):
        predicted(network, frames_at([33.0 * i for i in range(5)]))
    uv = np.zeros((15, 2)), np.ones(15)
    with pytest.raises(ValueError, match="without keypoint_camera"):
        predicted(network, [estimator.PersonFrame(cloud(0), 0.0, keypoints=uv)])
