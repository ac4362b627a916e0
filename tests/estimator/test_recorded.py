"""Prediction of recorded frames in clips."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.ground import sampling
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


def clip_of(network, numbers, times):
    """Joints and confidence of a whole clip, by the network itself."""
    points = np.stack([frame_points(network, cloud(n)) for n in numbers])[None]
    valid = np.ones(points.shape[:3], bool)
    found = network(points, valid, np.float32(times)[None] - times[0])
    return found[0][0], found[1][0]


def frame_points(network, xyz):
    rng = np.random.default_rng(0)
    return sampling.sample_points(xyz, network.num_points, rng, repeat=True)[0]


def test_clips_share_a_frame_whose_poses_are_averaged(network):
    times = np.arange(6) / 15
    plain = dataclasses.replace(network, calibration=())
    poses = predicted(plain, frames_at(times))
    # The frames run out: 5 is alone, and 3 and 4 fill its clip.
    clips = [clip_of(plain, part, times[[*part]]) for part in ((0, 1, 2), (2, 3, 4))]
    clips.append(clip_of(plain, (3, 4, 5), times[3:]))
    for name, first, second, third in zip(("xyz", "confidence"), *clips, strict=True):
        expected = [
            *first[:2],
            (first[2] + second[0]) / 2,
            second[1],
            (second[2] + third[1]) / 2,
            third[2],
        ]
        found = [getattr(pose, name) for pose in poses]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_recording_that_ends_with_a_clip(network):
    times = np.arange(5) / 15
    poses = predicted(network, frames_at(times))
    assert len(poses) == 5
    second = clip_of(network, (2, 3, 4), times[2:])
    np.testing.assert_allclose(poses[-1].xyz, second[0][-1], atol=1e-5)


def test_a_network_of_single_frames(network):
    single = dataclasses.replace(network, frames=1)
    poses = predicted(single, frames_at(np.arange(3) / 15))
    for number, pose in enumerate(poses):
        expected = clip_of(single, [number], np.zeros(1))
        np.testing.assert_allclose(pose.xyz, expected[0][0], atol=1e-5)


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


def test_crops_reach_the_network_in_no_more_clips_than_needed(network, monkeypatch):
    clips = []

    def from_fields(self, fields):
        clips.append(fields)
        return np.zeros((1, 3, 15, 3), np.float32), np.ones((1, 3, 15), np.float32)

    monkeypatch.setattr(estimator.Estimator, "from_fields", from_fields)
    frames = [
        frame._replace(crops={"color_crop": np.full((2, 2, 3), number)})
        for number, frame in enumerate(frames_at(np.arange(5) / 15))
    ]
    pose = np.eye(4)
    assert len(list(estimator.predict_frames(network, frames, cam_from_points=pose)))
    crops = [clip["color_crop"][0, :, 0, 0, 0].tolist() for clip in clips]
    assert crops == [[0, 1, 2], [2, 3, 4]]
    np.testing.assert_array_equal(clips[0]["cam_from_points"], [np.eye(4)])


@pytest.mark.parametrize("informed", [False, True])
def test_confidence_is_calibrated_as_that_of_live(network, informed):
    if informed:
        network = estimator.load_shipped("points_keypoints")
        other = tuple(0.5 * weight for weight in network.calibration)
        network = dataclasses.replace(network, calibration_with_keypoints=other)
    body, camera = cloud(0), estimator.KeypointCamera(CAMERA) if informed else None
    uv = CAMERA[:2] * body[:15, :2] / body[:15, 2:] + CAMERA[2:]
    keypoints = (uv, np.ones(15, np.float32)) if informed else None
    live = estimator.OnlineEstimator(
        network, np.zeros((2, 2, 2)), CAMERA, keypoint_camera=camera
    )
    expected = live.from_points(body, 0.0, keypoints=keypoints)
    (found,) = estimator.predict_frames(
        network,
        [estimator.PersonFrame(body, 0.0, keypoints=keypoints)],
        keypoint_camera=camera,
    )
    assert expected is not None
    assert found is not None
    np.testing.assert_allclose(found.confidence, expected[1], atol=1e-5)


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
