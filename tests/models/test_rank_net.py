import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import models

NET = models.build(
    {"name": "rank_net", "backbone": "small", "width": 8, "dtype": "float32"},
    num_joints=3,
)
UV = jnp.array([[[4.0, 5.0], [9.0, 20.0], [2.0, 30.0]], [[25.0, 8.0]] * 3])[None]


@functools.cache
def network():
    picture = jax.random.randint(jax.random.key(0), (1, 32, 40, 3), 0, 256)
    picture = picture.astype(jnp.uint8)
    params = jax.jit(NET.init)(jax.random.key(1), picture, UV)
    return picture, functools.partial(jax.jit(NET.apply), params)


def test_every_keypoint_has_a_depth():
    picture, apply = network()
    depth = apply(picture, UV).depth
    assert depth.shape == (1, 2, 3)
    assert np.isfinite(depth).all()
    assert len(np.unique(depth)) == 6


def test_depth_does_not_depend_on_the_order_of_people():
    picture, apply = network()
    np.testing.assert_allclose(
        apply(picture, UV[:, ::-1]).depth, apply(picture, UV).depth[:, ::-1], atol=1e-5
    )


@pytest.mark.parametrize("where", [jnp.nan, -50.0, 1e6])
def test_keypoints_outside_the_image_do_not_change_others(where):
    picture, apply = network()
    depth = apply(picture, UV.at[0, 1].set(where)).depth
    np.testing.assert_allclose(depth[0, 0], apply(picture, UV).depth[0, 0], atol=1e-6)
    assert np.isfinite(depth).all()


def test_heatmaps_sum_to_one_over_all_cells():
    """Keypoints in every cell find the whole map of their joint."""
    picture, apply = network()
    cells = jnp.stack(jnp.meshgrid(jnp.arange(5.0), jnp.arange(4.0)), axis=-1)
    everywhere = jnp.repeat(8.0 * cells.reshape(20, 1, 2) + 4.0, 3, axis=1)
    shares = jnp.exp(apply(picture, everywhere[None]).heatmap_log_prob)
    assert shares.shape == (1, 20, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-5)
    assert len(np.unique(shares)) > 20  # joints have maps of their own


def test_heatmaps_do_not_depend_on_the_keypoints():
    picture, apply = network()
    moved = UV.at[0, 0].add(8.0)
    first, second = (apply(picture, uv).heatmap_log_prob for uv in (UV, moved))
    np.testing.assert_allclose(second[0, 1], first[0, 1], atol=1e-6)
    assert (second[0, 0] != first[0, 0]).any()
