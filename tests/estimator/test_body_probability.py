"""Which points of a person's mask are on the body."""

import types

import jax
import numpy as np
import pytest

from data_pipelines.sequences import tracks
from unipose_jax import estimator, models
from unipose_jax.cli import predict


def tiny(**model):
    """A small untrained network."""
    settings = {"num_patches": 8, "width": 16, "num_blocks": 1, "num_heads": 2}
    settings |= {"name": "point_net", "dtype": "float32", **model}
    fields = {
        "points": np.zeros((1, 2, 32, 3), np.float32),
        "points_valid": np.ones((1, 2, 32), bool),
        "time": np.zeros((1, 2), np.float32),
    }
    network = models.build(settings, num_joints=15)
    params = jax.jit(network.init)(jax.random.key(0), **fields)
    return estimator.Estimator(params, settings, "ITOP15", frames=2, num_points=32)


@pytest.mark.parametrize("count", [0, 5, 100])
def test_every_point_of_a_cloud_has_a_probability_to_be_body(count):
    points = np.random.default_rng(0).normal((0.0, 0.0, 3.0), 0.3, (count, 3))
    found = tiny(point_parts=True).body_probability(points.astype(np.float32))
    assert found.shape == (count,)
    assert ((found > 0) & (found < 1)).all()
    assert len(set(found)) == count  # each point has its own


def test_without_the_head_every_point_is_body():
    assert (tiny().body_probability(np.zeros((7, 3), np.float32)) == 1).all()


def test_pictures_of_a_prediction_show_the_body_only():
    xyz = np.array([[0.0, 0.0, 2.0], [0.0, 0.0, 3.0], [0.1, 0.0, 2.0]], np.float32)
    cloud = tracks.PersonCloud(xyz, np.ones((1, 3), bool), np.ones((1, 3), np.float32))

    def shown(body):
        network = types.SimpleNamespace(body_probability=body)
        return predict.body_of(network, cloud).xyz

    near = shown(lambda points: (points[:, 2] < 2.5).astype(float))
    np.testing.assert_array_equal(near, xyz[[0, 2]])
    # A network that takes nothing for a body does not empty the picture.
    np.testing.assert_array_equal(shown(lambda points: np.zeros(len(points))), xyz)
