"""2D keypoints beside points: on the right rays, checked, and left out where wrong."""

import numpy as np
import pytest

from tests import keypoint_network
from unipose_jax import errors, estimator, models
from unipose_jax.geometry import camera

RAYS = np.zeros((6, 8, 2), np.float32)
DEPTH_CAMERA = np.float32([200.0, 200.0, 100.0, 80.0])
COLOR_CAMERA = np.float32([400.0, 410.0, 210.0, 150.0])
# The colour camera is 5 cm to the right of the depth camera and turned by 0.1 rad.
POSE = np.eye(4)
POSE[:3, :3] = [
    [np.cos(0.1), 0.0, np.sin(0.1)],
    [0.0, 1.0, 0.0],
    [-np.sin(0.1), 0.0, np.cos(0.1)],
]
POSE[0, 3] = -0.05
CLOUD = np.random.default_rng(0).normal((0.1, 0.0, 2.5), (0.2, 0.5, 0.1), (400, 3))
NONE = np.zeros((15, 2)), np.zeros(15)


@pytest.fixture(autouse=True)
def network(monkeypatch):
    """The network of `keypoint_network`, for single frames."""
    monkeypatch.setattr(models, "NETWORKS", dict(models.NETWORKS))
    keypoint_network.register()
    return keypoint_network.make()


def on_person(shift=0.0):
    """Keypoints in colour of 15 points of the person, all confident."""
    chosen = CLOUD[::27][:15] + [shift, 0.0, 0.0]
    seen = chosen @ POSE[:3, :3].T + POSE[:3, 3]
    return camera.uv_from_xyz(seen, COLOR_CAMERA), np.full(15, 0.9)


def live(network):
    given = estimator.KeypointCamera(COLOR_CAMERA, POSE)
    return estimator.OnlineEstimator(network, RAYS, DEPTH_CAMERA, keypoint_camera=given)


def color_uv(xyz):
    return camera.uv_from_xyz(xyz @ POSE[:3, :3].T + POSE[:3, 3], COLOR_CAMERA)


def test_joints_of_a_clip_lie_on_the_rays_of_its_keypoints(network):
    points = CLOUD[:64][None, None].astype(np.float32)
    valid, time = np.ones((1, 1, 64), bool), np.zeros((1, 1))
    uv, confidence = on_person()
    confidence[3] = 0.0
    uv[3] = np.nan
    keypoints = (uv[None, None], confidence[None, None], COLOR_CAMERA, POSE)
    with_them, sure = network(points, valid, time, keypoints=keypoints)
    without, _ = network(points, valid, time)
    known = confidence > 0
    np.testing.assert_allclose(color_uv(with_them[0, 0])[known], uv[known], atol=0.01)
    np.testing.assert_allclose(with_them[0, 0, 3], without[0, 0, 3], atol=1e-6)
    assert sure[0, 0].argmin() == 3


def test_keypoints_of_the_depth_camera_need_no_pose(network):
    points = CLOUD[:64][None, None].astype(np.float32)
    valid, time = np.ones((1, 1, 64), bool), np.zeros((1, 1))
    uv = np.full((1, 1, 15, 2), 90.0)
    keypoints = estimator.Keypoints(uv, np.ones((1, 1, 15)), DEPTH_CAMERA)
    xyz, _ = network(points, valid, time, keypoints=keypoints)
    np.testing.assert_allclose(
        camera.uv_from_xyz(xyz[0, 0], DEPTH_CAMERA), uv[0, 0], atol=0.01
    )


def test_any_live_frame_may_lack_keypoints(network):
    stream, uv = live(network), on_person()[0]
    plain = estimator.OnlineEstimator(network, RAYS, DEPTH_CAMERA)
    expected = plain.from_points(CLOUD, 0.0)[0]
    for time, given in enumerate((None, on_person(), NONE, None)):
        xyz, _ = stream.from_points(CLOUD, time / 30, keypoints=given)
        assert stream.used_keypoints == (time == 1)
        if time == 1:
            np.testing.assert_allclose(color_uv(xyz), uv, atol=0.01)
        else:
            np.testing.assert_allclose(xyz, expected, atol=1e-6)


def test_keypoints_of_the_window_keep_their_frames():
    fed = []

    class Recorder(estimator.Estimator):
        def from_fields(self, fields):
            fed.append(fields)
            return super().from_fields(fields)

    made = keypoint_network.make(frames=3)
    stream = live(Recorder(**{k: v for k, v in vars(made).items() if k[0] != "_"}))
    stream.from_points(CLOUD, 0.0, keypoints=on_person())
    stream.from_points(CLOUD, 0.1)
    stream.from_points(CLOUD, 0.2, keypoints=on_person(0.01))
    stream.from_points(CLOUD, 9.0)  # after a gap
    shown = [f["confidence"][0].any(axis=-1).tolist() for f in fed]
    assert shown == [[True] * 3, [True, True, False], [True, False, True], [False] * 3]
    moved = np.abs(fed[2]["uv"][0, 2] - fed[2]["uv"][0, 0])
    assert moved[:, 0].min() > 1.0  # 1 cm at 2.5 m is 1.6 px
    assert fed[0]["intrinsics"].shape == (1, 4)


def test_keypoints_beside_the_person_are_not_used(network, capsys):
    errors.warn.cache_clear()
    stream = live(network)
    xyz, _ = stream.from_points(CLOUD, 0.0, keypoints=on_person(shift=1.5))
    assert not stream.used_keypoints
    assert np.ptp(xyz, axis=0).max() < 1e-6  # all joints are at the centroid
    stream.from_points(CLOUD, 0.1, keypoints=on_person(shift=-1.5))
    said = capsys.readouterr().err
    assert said.count("warning: ") == said.count("beside the person in depth") == 1


def test_results_with_keypoints_have_their_own_calibration():
    never, always = (-20.0, *(0.0,) * 5), (20.0, *(0.0,) * 5)
    both = keypoint_network.make(calibration=never, calibration_with_keypoints=always)
    stream = live(both)
    assert stream.from_points(CLOUD, 0.0)[1].max() < 0.01
    assert stream.from_points(CLOUD, 0.1, keypoints=on_person())[1].min() > 0.99
    stream = live(keypoint_network.make(calibration=never))
    assert stream.from_points(CLOUD, 0.0, keypoints=on_person())[1].max() < 0.01


def test_weights_keep_both_calibrations(tmp_path):
    network = keypoint_network.make(
        calibration=(1.0,) * 6, calibration_with_keypoints=(2.0,) * 6
    )
    estimator.export(tmp_path / "w", network, {})
    found = estimator.load(tmp_path / "w")
    assert list(found.calibration_with_keypoints) == [2.0] * 6
    assert found.takes_keypoints


UV, SURE = np.full((15, 2), 50.0), np.full(15, 0.5)


@pytest.mark.parametrize(
    ("keypoints", "message"),
    [
        ((UV[:, 0], SURE), r"shapes \(15,\)"),
        (
            (UV[:, [0, 1, 1]], SURE),
            r"shapes \(15, 3\) and confidence \(15,\), expected",
        ),
        ((np.ones((17, 2)), np.ones(17)), "17 joints, ITOP15 has 15; .*convert_keyp"),
        ((UV, SURE[:-1]), r"confidence \(14,\)"),
        ((UV, 100 * SURE), r"is 50 to 50, expected \[0, 1\]"),
        ((UV, np.nan * SURE), r"expected \[0, 1\]"),
        ((UV * [[1.0, np.nan]], SURE), "above 0 is not finite"),
        ((UV / 100, SURE), "shares of the picture"),
        ((UV * 1e5, SURE), "pixels away from the picture"),
    ],
)
def test_wrong_keypoints_are_refused(network, keypoints, message):
    stream = live(network)
    with pytest.raises(ValueError, match=message):
        stream.from_points(CLOUD, 0.0, keypoints=keypoints)
    points = CLOUD[:64][None, None].astype(np.float32)
    clip = (points, np.ones((1, 1, 64), bool), np.zeros((1, 1)))
    uv, confidence = (np.asarray(part)[None, None] for part in keypoints)
    with pytest.raises(ValueError, match="shapes|joints|expected|finite|pictu"):
        network(*clip, keypoints=(uv, confidence, COLOR_CAMERA))


def turned(scale):
    pose = POSE.copy()
    pose[:3, :3] *= scale
    return pose


@pytest.mark.parametrize(
    ("intrinsics", "pose", "message"),
    [
        (np.eye(3), None, "intrinsics_from_matrix converts 3x3"),
        (-COLOR_CAMERA, None, "expected .fx, fy, cx, cy"),
        (COLOR_CAMERA, np.eye(3), "no rigid 4x4 transform"),
        (COLOR_CAMERA, turned(2.0), "no rigid 4x4 transform"),
        (COLOR_CAMERA, turned(np.nan), "no rigid 4x4 transform"),
        (COLOR_CAMERA, np.diag([1.0, 1.0, -1.0, 1.0]), "no rigid 4x4 transform"),
        (
            COLOR_CAMERA,
            POSE + np.eye(4)[:, ::-1] * [0, 0, 0, 50],
            r"\.95 apart; expected metres",
        ),
    ],
)
def test_a_wrong_camera_is_refused(network, intrinsics, pose, message):
    given = estimator.KeypointCamera(intrinsics, pose)
    with pytest.raises(ValueError, match=message):
        estimator.OnlineEstimator(network, RAYS, DEPTH_CAMERA, keypoint_camera=given)


def test_keypoints_without_their_camera_or_network_are_refused(network):
    stream = estimator.OnlineEstimator(network, RAYS, DEPTH_CAMERA)
    with pytest.raises(ValueError, match="without keypoint_camera"):
        stream.from_points(CLOUD, 0.0, keypoints=on_person())
    points = CLOUD[:64][None, None].astype(np.float32)
    clip = {"points": points, "points_valid": np.ones((1, 1, 64), bool)}
    clip |= {"time": np.zeros((1, 1)), "uv": np.zeros((1, 1, 15, 2))}
    with pytest.raises(ValueError, match="without confidence, intrinsics, cam_from"):
        network.from_fields(clip)
    models.register("plain", keypoint_network.OnRays, inputs=models.POINT_FIELDS)
    plain = keypoint_network.make()
    plain.model["name"] = "plain"
    assert not plain.takes_keypoints
    with pytest.raises(ValueError, match="plain takes points, .* no 2D keypoints"):
        plain(
            *list(clip.values())[:3],
            keypoints=(UV[None, None], SURE[None, None], COLOR_CAMERA),
        )
    with pytest.raises(ValueError, match="no 2D keypoints"):
        live(plain)


def test_a_frame_without_depth_needs_six_keypoints_and_starts_a_window():
    fed = []

    class Recorder(estimator.Estimator):
        def from_fields(self, fields):
            fed.append(fields)
            return super().from_fields(fields)

    made = keypoint_network.make(frames=2, calibration=(-20.0, *(0.0,) * 5))
    stream = live(Recorder(**{k: v for k, v in vars(made).items() if k[0] != "_"}))
    uv, confidence = on_person()
    few = np.where(np.arange(15) < 5, confidence, 0.0)
    assert stream(None, 0.0) is None
    assert stream(None, 0.1, keypoints=(uv, few)) is None
    stream.from_points(CLOUD, 0.2, keypoints=(uv, confidence))
    xyz, sure = stream(None, 0.3, keypoints=(uv, confidence))
    stream.from_points(CLOUD, 0.4)
    assert xyz.shape == (15, 3)
    assert sure.min() > 0.8  # of the network, not calibrated
    measured = [f["points_valid"][0].any(axis=-1).tolist() for f in fed]
    assert measured == [[True, True], [False, False], [True, True]]
