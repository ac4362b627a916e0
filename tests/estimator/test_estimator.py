"""The estimator's compiled program."""

import jax
import numpy as np
import pytest

from unipose_jax import estimator


@pytest.fixture
def no_large_constants():
    """Makes a program with more than 10 kB of constants warn, and so fail."""
    before = jax.config.jax_captured_constants_warn_bytes
    jax.config.update("jax_captured_constants_warn_bytes", 10_000)
    yield
    jax.config.update("jax_captured_constants_warn_bytes", before)


def test_weights_are_arguments_of_the_program(no_large_constants):
    network = estimator.load_shipped()
    points = np.random.default_rng(0).normal(
        (0.0, 0.0, 3.0), 0.3, (1, network.frames, network.num_points, 3)
    )
    valid = np.ones(points.shape[:-1], bool)
    time = np.arange(network.frames)[None] / 15
    xyz, confidence = network(points.astype(np.float32), valid, time.astype(np.float32))
    assert np.isfinite(xyz).all()
    assert ((confidence >= 0) & (confidence <= 1)).all()


def test_frames_before_a_gap_do_not_change_the_pose():
    network = estimator.load_shipped()
    rays = np.zeros((4, 4, 2), np.float32)
    camera = np.array([4.0, 4.0, 2.0, 2.0])
    cloud = np.random.default_rng(0).normal((0.0, 0.0, 3.0), 0.3, (400, 3))
    alone = estimator.OnlineEstimator(network, rays, camera).from_points(cloud, 0.0)
    live = estimator.OnlineEstimator(network, rays, camera)
    live.from_points(cloud + [0.5, 0.0, 0.0], 0.0)
    soon = live.from_points(cloud, 0.1)
    live.from_points(cloud + [0.5, 0.0, 0.0], 0.2)
    late = live.from_points(cloud, 5.2)
    assert alone is not None
    assert soon is not None
    assert late is not None
    np.testing.assert_array_equal(late[0], alone[0])
    assert np.abs(soon[0] - alone[0]).max() > 0.001  # metres


RAYS = np.zeros((6, 8, 2), np.float32)
CAMERA = np.float32([8.0, 8.0, 4.0, 3.0])


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        (lambda live: live(np.full((6, 8), 2000, np.uint16), 0.0), "multiply counts"),
        (lambda live: live(np.full((6, 8), 2000.0), 0.0), "as in millimetres"),
        (lambda live: live(np.full((8, 6), 2.0), 0.0), r"shape \(8, 6\), the rays"),
        (lambda live: live.from_points(np.full((9, 3), 2000.0), 0.0), "millimetres"),
        (
            lambda live: [
                live.from_points(np.zeros((0, 3)), 33.3 * i) for i in range(5)
            ],
            "time of depth frames: .* as in milliseconds",
        ),
        (lambda live: live.from_points(np.zeros((0, 3)), 1.7e18), "are nanoseconds"),
    ],
)
def test_a_live_camera_in_other_units_is_refused(calls, message):
    live = estimator.OnlineEstimator(estimator.load_shipped(), RAYS, CAMERA)
    with pytest.raises(ValueError, match=message):
        calls(live)


def test_wrong_shapes_are_refused():
    network = estimator.load_shipped()
    with pytest.raises(ValueError, match="intrinsics_from_matrix converts 3x3"):
        estimator.OnlineEstimator(network, RAYS, np.eye(3))
    with pytest.raises(ValueError, match="rays have shape"):
        estimator.OnlineEstimator(network, RAYS[..., 0], CAMERA)
    points = np.full((1, network.frames, network.num_points, 3), 2.0, np.float32)
    valid, time = np.ones(points.shape[:3], bool), np.arange(network.frames)[None] / 15
    wrong = (
        (points[0], valid, time),
        (points[:, :-1], valid, time),
        (points, valid, time[0]),
        (1000 * points, valid, time),
        (points, valid, 1000 * time),
    )
    for arguments in wrong:
        with pytest.raises(ValueError, match="points|apart"):
            network(*arguments)


def test_the_live_window_gives_the_last_frame_of_the_clip():
    network = estimator.load_shipped()
    live = estimator.OnlineEstimator(network, RAYS, CAMERA)
    rng = np.random.default_rng(0)
    shape = (5, network.num_points, 3)
    clouds = rng.normal((0.0, 0.0, 3.0), 0.3, shape).astype(np.float32)
    for number, cloud in enumerate(clouds):
        found = live.from_points(cloud, number / 15)
    assert found is not None
    valid = np.ones((1, 3, network.num_points), bool)
    xyz, _ = network(clouds[None, 2:], valid, np.float32([[0, 1, 2]]) / 15)
    np.testing.assert_allclose(found[0], xyz[0, -1], atol=1e-5)


def test_a_warm_live_estimator_has_seen_no_time():
    live = estimator.OnlineEstimator(estimator.load_shipped(), RAYS, CAMERA)
    live.warm_up()
    cloud = np.random.default_rng(0).normal((0.0, 0.0, 3.0), 0.3, (400, 3))
    assert live.from_points(cloud, 1.7e9) is not None  # seconds since 1970
