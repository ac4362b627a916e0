"""A keypoint that the network was given is not a target at the same time."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import unipose
from tests import stages
from unipose_jax import models

BATCH, FRAMES, JOINTS, POINTS = 4, 3, 15, 64


@functools.cache
def recipe(**augment):
    config = unipose.get_config("smoke")
    config.model.keypoints = True
    config.augment.no_points_prob = 0.0
    config.augment.update(augment)
    return stages.recipe(stages.values(config, "points", pathlib.Path("nowhere")))


@pytest.fixture(scope="module")
def batch():
    keys = jax.random.split(jax.random.key(0), 3)
    size = jnp.array([0.3, 0.6, 0.15]).reshape(1, 1, 1, 3)
    place = jnp.array([0.0, 0.0, 2.5]).reshape(1, 1, 1, 3)
    return {
        "points": size * jax.random.normal(keys[0], (BATCH, FRAMES, POINTS, 3)) + place,
        "points_valid": jnp.ones((BATCH, FRAMES, POINTS), bool),
        "time": jnp.zeros((BATCH, FRAMES)),
        "uv": 30.0 * jax.random.normal(keys[1], (BATCH, FRAMES, JOINTS, 2)) + 70.0,
        "confidence": jnp.full((BATCH, FRAMES, JOINTS), 0.8).at[:, :, 4].set(0.0),
        "intrinsics": jnp.tile(jnp.array([[140.0, 140.0, 80.0, 60.0]]), (BATCH, 1)),
        "cam_from_points": jnp.tile(jnp.eye(4)[None], (BATCH, 1, 1)),
    }


def copy_keypoints(params, *, points, uv, confidence, intrinsics, **others):
    """A network that gives back its keypoints, and the origin where it has none."""
    del params, others
    focal, center = jnp.split(intrinsics[:, None, None], 2, axis=-1)
    plane = jnp.concatenate([(uv - center) / focal, jnp.ones_like(uv[..., :1])], -1)
    seen = (confidence > 0)[..., None]
    return models.PoseEstimate(
        xyz=jnp.where(
            seen, 2.5 * plane, jnp.array([0.0, 0.0, 2.5]).reshape(1, 1, 1, 3)
        ),
        confidence_logit=jnp.zeros(confidence.shape),
    )


def ray_loss(batch, **augment):
    augment = dict.fromkeys(("pan", "tilt", "roll", "scale"), 0.0) | augment
    one = recipe(mirror=False, no_keypoints_prob=0.0, **augment)

    @jax.jit
    def terms(batch):
        keys = jax.random.split(jax.random.key(1), BATCH)
        return one.train_terms(copy_keypoints, {}, batch, keys)["point_to_ray"]

    return terms(batch)


def test_copied_keypoints_are_free_without_a_blind_spot_and_do_not_count_with_it(batch):
    copied = ray_loss(batch, keypoint_dropout=0.0, blind_spot=False)
    assert copied.weight > 0.0
    np.testing.assert_allclose(copied.mean(), 0.0, atol=1e-5)
    assert ray_loss(batch, keypoint_dropout=0.0, blind_spot=True).weight == 0.0


def test_withheld_keypoints_are_the_target(batch):
    some = ray_loss(batch, keypoint_dropout=0.5, blind_spot=True)
    every = ray_loss(batch, keypoint_dropout=1.0, blind_spot=True)
    assert 0.0 < some.weight < every.weight
    np.testing.assert_allclose(every.weight, batch["confidence"].sum(), rtol=1e-5)
    assert some.mean() > 0.01  # metres: nothing that counts can be copied


def test_validation_withholds_every_keypoint_once(batch):
    views = jax.device_get(jax.jit(recipe().validation_views)(batch))
    counted = sum(target["target_confidence"] for _, target in views)
    np.testing.assert_allclose(counted, batch["confidence"])
    for fed, target in views:
        assert not ((fed["confidence"] > 0) & (target["target_confidence"] > 0)).any()
        np.testing.assert_array_equal(target["confidence"], batch["confidence"])


def test_labels_need_no_blind_spot():
    assert recipe(blind_spot=False).validation_views is None
