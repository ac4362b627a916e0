import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.train.augment import keypoint_inputs

JOINTS = 15


def sample(count=4_000, **changed):
    config = {"dropout": 0.5, "no_keypoints_prob": 0.2, "no_points_prob": 0.1}
    keys = jax.random.split(jax.random.key(0), count)
    return jax.vmap(
        lambda key: keypoint_inputs.sample_kept(key, JOINTS, **config | changed)
    )(keys)


def test_shares_of_clips_without_one_kind_of_input():
    kept = sample(dropout=0.0)
    np.testing.assert_allclose(1.0 - kept.points.mean(), 0.1, atol=0.02)
    empty = ~kept.keypoints.any(-1)
    np.testing.assert_allclose(empty.mean(), 0.2, atol=0.02)
    assert not bool((empty & ~kept.points).any())


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.8])
def test_mean_share_of_withheld_keypoints(dropout):
    kept = sample(dropout=dropout, no_keypoints_prob=0.0)
    np.testing.assert_allclose(1.0 - kept.keypoints.mean(), dropout, atol=0.02)


def test_every_joint_is_withheld_once_by_validation():
    withheld = jnp.stack(keypoint_inputs.blind_spots(JOINTS))
    np.testing.assert_array_equal(withheld.sum(0), 1)
    assert bool((withheld.sum(1) >= JOINTS // 2).all())


def test_noise_has_one_size_in_metres_at_every_distance():
    intrinsics = jnp.array([200.0, 400.0, 80.0, 60.0])
    distance = jnp.array([1.0, 4.0, 0.0])
    keys = jax.random.split(jax.random.key(1), 500)
    noisy = jax.vmap(
        lambda key: keypoint_inputs.add_noise(
            key, jnp.zeros((3, JOINTS, 2)), intrinsics, distance, largest=0.06
        )
    )(keys)
    focal = intrinsics[:2].reshape(1, 1, 1, 2)
    metres = noisy[:, :2] * distance[:2].reshape(1, 2, 1, 1) / focal
    sizes = metres.std((1, 2, 3))
    assert 0.05 < float(sizes.max()) < 0.07
    np.testing.assert_allclose(sizes.mean(), 0.03, atol=0.003)
    np.testing.assert_allclose(*(metres[:, i].std() for i in range(2)), rtol=0.05)
    np.testing.assert_allclose(*(metres[..., i].std() for i in range(2)), rtol=0.05)
    assert float(jnp.abs(noisy[:, 2]).max()) == 0.0
