import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.synthesis.sensing import sensor, sensor_kinds

FAR, NEAR = 3.0, 2.0  # metres: a wall, and a square before it


def exact():
    depth = np.full((1, 40, 60), FAR, np.float32)
    depth[:, 12:28, 20:40] = NEAR
    return jnp.asarray(depth)


def simulate(**shares):
    """Depth of 10 clips whose structured-light measurement is 1 m everywhere."""
    params = dataclasses.replace(sensor.SensorParams(), **shares)
    depth = exact()

    def one(key):
        return sensor_kinds.replace(key, jnp.ones_like(depth), depth, params=params)

    keys = jax.random.split(jax.random.key(0), 10)
    return np.asarray(jax.jit(jax.vmap(one))(keys))[:, 0]


@pytest.mark.parametrize("kind", ["tof", "stereo", "lidar"])
def test_flat_surfaces_are_measured_within_centimetres(kind):
    inside = simulate(**{f"{kind}_share": 1.0})[:, 15:25, 24:36]
    error = np.abs(inside[inside > 0.0] - NEAR)
    assert np.median(error) < 0.02
    assert np.median(error) > 0.001


def test_stereo_has_holes_and_a_lidar_has_none():
    assert np.mean(simulate(stereo_share=1.0) == 0.0) > 0.02
    assert np.all(simulate(lidar_share=1.0) > 0.0)


def test_stereo_widens_near_surfaces():
    beside = simulate(stereo_share=1.0)[:, 14:26, 40]  # the wall next to the square
    share = np.mean(np.abs(beside[beside > 0.0] - NEAR) < 0.1)
    assert 0.3 < share < 0.7


def test_time_of_flight_sees_corners_too_far_and_mixes_depths_at_edges():
    depth = simulate(tof_share=1.0)
    corner, open_wall = depth[:, 14:26, 42:44], depth[:, 2:38, 2:6]
    bias = np.mean(corner[corner > 0]) - np.mean(open_wall[open_wall > 0])
    assert 0.005 < bias < 0.06
    edge = depth[:, 14:26, 39:41]
    assert np.mean((edge > NEAR + 0.1) & (edge < FAR - 0.1)) > 0.2


def test_other_clips_keep_their_measurement():
    clips = simulate(stereo_share=0.3, lidar_share=0.2)
    same = np.all(clips == 1.0, axis=(1, 2))
    assert 0 < same.sum() < len(clips)
    assert not sensor.SensorParams().mixed
    assert sensor.SensorParams(lidar_share=0.1).mixed
