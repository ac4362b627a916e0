"""Tokens of clouds that are computed once for several clips, and the newest frame."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models.test_backbones import random_parameters
from unipose_jax import models
from unipose_jax.models import patch_embedding

CONFIG = {
    "name": "point_net",
    "num_patches": 8,
    "width": 16,
    "num_heads": 2,
    "dtype": "float32",
    "convention_head": "ITOP15",
    "keypoints": True,
    "point_parts": True,
}


def a_clip():
    rng = np.random.default_rng(0)
    points = rng.normal((0.3, 0.0, 3.0), 0.3, (2, 3, 40, 3)).astype(np.float32)
    valid = rng.random((2, 3, 40)) < 0.8
    points[~valid] = np.nan
    camera = np.float32([300.0, 300.0, 160.0, 120.0])
    clip = {
        "points": points,
        "points_valid": valid,
        "time": np.float32([[0.0, 0.1, 0.2], [0.0, 0.05, 0.1]]),
        "uv": rng.normal((160.0, 120.0), 30.0, (2, 3, 15, 2)).astype(np.float32),
        "confidence": (rng.random((2, 3, 15)) < 0.7).astype(np.float32),
        "intrinsics": np.stack([camera, camera]),
        "cam_from_points": np.stack([np.eye(4, dtype=np.float32)] * 2),
    }
    return jax.tree.map(jnp.asarray, clip)


# The last block attends within frames, or over the clip.
@pytest.mark.parametrize("num_blocks", [1, 2])
def test_newest_frame_is_the_last_of_the_clip(num_blocks):
    network = models.build(CONFIG | {"num_blocks": num_blocks}, num_joints=15)
    clip = a_clip()
    params = random_parameters(network, **clip)
    whole = jax.jit(network.apply)(params, **clip)
    clouds = clip["points"], clip["points_valid"]
    patches = patch_embedding.embed(network, params, *clouds)
    assert np.isfinite(patches.centers).all()
    for known in (None, patches):
        newest = network.apply(params, **clip, patches=known, newest=True)
        assert newest.part_logits is None
        for name in ("xyz", "confidence_logit"):
            expected, found = getattr(whole, name)[:, -1:], getattr(newest, name)
            np.testing.assert_allclose(found, expected, atol=1e-4)


def test_tokens_of_a_frame_do_not_depend_on_its_clip():
    network = models.build(CONFIG | {"num_blocks": 1}, num_joints=15)
    clip = a_clip()
    params = random_parameters(network, **clip)
    clouds = clip["points"], clip["points_valid"]
    together = patch_embedding.embed(network, params, *clouds)
    alone = patch_embedding.embed(network, params, *(x[:1, 1:2] for x in clouds))
    for one, all_frames in zip(alone, together, strict=True):
        np.testing.assert_allclose(one[0, 0], all_frames[0, 1], atol=1e-5)


def test_tokens_move_with_the_cloud():
    network = models.build(CONFIG | {"num_blocks": 1}, num_joints=15)
    params = random_parameters(network, **(clip := a_clip()))
    clouds = clip["points"], clip["points_valid"]
    moved = clouds[0] + jnp.asarray([1.0, 0.0, 2.0]).reshape(1, 1, 1, 3)
    here = patch_embedding.embed(network, params, *clouds)
    there = patch_embedding.embed(network, params, moved, clouds[1])
    shift = np.asarray(there.centers - here.centers)
    np.testing.assert_allclose(
        shift, np.broadcast_to([1, 0, 2], shift.shape), atol=1e-4
    )
    np.testing.assert_allclose(there.features, here.features, atol=1e-3)
