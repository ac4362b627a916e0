import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import models
from unipose_jax.models import point_patches

CONFIG = {
    "name": "point_net",
    "num_patches": 16,
    "width": 16,
    "num_blocks": 3,
    "num_heads": 2,
    "dtype": "float32",
}


@pytest.fixture(scope="module")
def clip():
    key = jax.random.key(0)
    spread = jnp.array([0.3, 0.6, 0.15]).reshape(1, 1, 1, 3)
    points = jax.random.normal(key, (2, 3, 96, 3)) * spread
    points = points + jnp.array([0.2, -0.1, 2.5]).reshape(1, 1, 1, 3)
    return {
        "points": points,
        "points_valid": jnp.ones((2, 3, 96), bool),
        "time": jnp.tile(jnp.arange(3) / 15.0, (2, 1)),
    }


@pytest.fixture(scope="module")
def params(clip):
    network = models.build(CONFIG, num_joints=5)
    return jax.jit(network.init)(jax.random.key(1), **clip)


@pytest.fixture(scope="module")
def net(params, clip):
    network = models.build(CONFIG, num_joints=5)
    apply = jax.jit(lambda **inputs: network.apply(params, **inputs))
    return lambda clip, **changed: apply(**clip | changed)


def test_output_has_a_joint_per_frame_and_moves_with_the_cloud(net, clip):
    estimate = net(clip)
    assert estimate.xyz.shape == (2, 3, 5, 3)
    assert estimate.confidence_logit.shape == (2, 3, 5)
    shift = jnp.array([1.0, -2.0, 3.0]).reshape(1, 1, 1, 3)
    moved = net(clip, points=clip["points"] + shift)
    # Rounding of the shifted input in float32 is 2e-7 of 5 m, amplified by the layers.
    np.testing.assert_allclose(moved.xyz, estimate.xyz + shift, atol=1e-3)
    np.testing.assert_allclose(
        moved.confidence_logit, estimate.confidence_logit, atol=1e-3
    )


def test_order_of_points_does_not_matter(net, clip):
    order = np.random.default_rng(0).permutation(96)
    shuffled = net(clip, points=clip["points"][:, :, order])
    np.testing.assert_allclose(shuffled.xyz, net(clip).xyz, atol=1e-5)


def test_the_number_of_points_on_a_surface_does_not_matter(net, clip):
    twice = {
        name: jnp.concatenate([clip[name], clip[name]], axis=2)
        for name in ("points", "points_valid")
    }
    np.testing.assert_allclose(net(clip, **twice).xyz, net(clip).xyz, atol=1e-4)


def test_missing_points_do_not_matter_even_if_nan(net, clip):
    keep = jnp.broadcast_to(jnp.arange(96) < 70, (2, 3, 96))
    valid = clip["points_valid"] & keep
    dirty = jnp.where(keep[..., None], clip["points"], jnp.nan)
    far = jnp.where(keep[..., None], clip["points"], 99.0)
    one = net(clip, points=dirty, points_valid=valid)
    other = net(clip, points=far, points_valid=valid)
    np.testing.assert_array_equal(one.xyz, other.xyz)
    assert np.isfinite(one.xyz).all()
    # A shorter cloud is the same as a masked one.
    short = net(clip, points=clip["points"][:, :, :70], points_valid=valid[:, :, :70])
    np.testing.assert_allclose(short.xyz, one.xyz, atol=1e-5)


@pytest.fixture(scope="module")
def gradient(params, clip):
    network = models.build(CONFIG, num_joints=5)

    def total(params, valid):
        estimate = network.apply(params, **clip | {"points_valid": valid})
        outputs = jax.tree.leaves(estimate)
        return sum(leaf.sum() for leaf in outputs), outputs

    slope = jax.jit(jax.grad(total, has_aux=True))
    return lambda valid: slope(params, valid)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_points_give_finite_joints_and_gradients(gradient, count):
    grad, outputs = gradient(jnp.broadcast_to(jnp.arange(96) < count, (2, 3, 96)))
    assert [leaf.shape for leaf in outputs] == [(2, 3, 5, 3), (2, 3, 5)]
    chex.assert_tree_all_finite((grad, outputs))


def test_only_differences_of_time_matter(net, clip):
    later = net(clip, time=clip["time"] + 100.0)
    # float32 keeps 100 s to 8 microseconds.
    np.testing.assert_allclose(later.xyz, net(clip).xyz, atol=1e-3)
    np.testing.assert_allclose(
        later.confidence_logit, net(clip).confidence_logit, atol=1e-3
    )
    slower = net(clip, time=10.0 * clip["time"])
    assert np.abs(slower.xyz - net(clip).xyz).max() > 1e-4


@pytest.mark.parametrize("frames", [1, 5])
def test_any_number_of_frames_gives_that_many_poses(net, clip, frames):
    rows = np.arange(frames) % 3
    estimate = net(
        clip,
        points=clip["points"][:, rows],
        points_valid=clip["points_valid"][:, rows],
        time=jnp.tile(jnp.arange(frames) / 15.0, (2, 1)),
    )
    assert estimate.xyz.shape == (2, frames, 5, 3)
    chex.assert_tree_all_finite(jax.tree.leaves(estimate))


def test_unknown_network_names_the_choices():
    with pytest.raises(ValueError, match="point_net"):
        models.build(CONFIG | {"name": "nothing"}, num_joints=5)


def test_bfloat16_stays_close(net, params, clip):
    coarse = models.build(CONFIG | {"dtype": "bfloat16"}, num_joints=5)
    difference = jax.jit(coarse.apply)(params, **clip).xyz - net(clip).xyz
    # bfloat16 keeps 8 bits; coordinates and votes stay float32.
    assert np.abs(difference).max() < 0.1
    assert difference.dtype == jnp.float32


def test_farthest_points_match_a_small_example():
    # On a line at 0, 1, 2, 10: the centroid is 3.25, so 10 is first, then 0, then 2.
    xyz = jnp.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [10, 0, 0], [50, 0, 0]])
    valid = jnp.array([True, True, True, True, False])
    chosen = point_patches.sample_farthest_points(xyz, valid, count=3)
    np.testing.assert_array_equal(chosen, [3, 0, 2])


def test_patch_features_equal_an_explicit_sum():
    rng = np.random.default_rng(0)
    xyz, centers = rng.normal(size=(20, 3)) * 0.2, rng.normal(size=(4, 3)) * 0.2
    valid, frequencies = rng.random(20) < 0.7, rng.normal(size=(3, 5)) * 8
    features = point_patches.patch_features(
        jnp.asarray(xyz),
        jnp.asarray(valid),
        jnp.asarray(centers),
        frequencies=jnp.asarray(frequencies),
        bandwidths=(0.1,),
    )
    for place, row in zip(centers, features, strict=True):
        weight = np.exp(-((xyz - place) ** 2).sum(1) / 0.02) * valid
        waves = np.exp(1j * (xyz - place) @ frequencies)
        mean = (weight[:, None] * waves).sum(0) / (weight.sum() + 1e-6)
        share = point_patches.REFERENCE_POINTS * weight.sum() / valid.sum()
        expected = np.concatenate([mean.real, mean.imag, [np.log(share)]])
        # float32 phases of a few radians, normalised by sums far below one.
        np.testing.assert_allclose(row, expected, rtol=1e-3, atol=1e-4)


def test_patch_features_ignore_invalid_points_even_if_nan():
    keys = jax.random.split(jax.random.key(3), 3)
    xyz, centers = 0.2 * jax.random.normal(keys[0], (2, 8, 3))
    valid = jnp.arange(8) < 6

    @jax.jit
    @jax.value_and_grad
    def total(xyz, valid):
        return point_patches.patch_features(
            xyz,
            valid,
            centers,
            frequencies=8.0 * jax.random.normal(keys[1], (3, 5)),
            bandwidths=(0.1, 0.3),
        ).sum()

    dirty = total(jnp.where(valid[:, None], xyz, jnp.nan), valid)
    chex.assert_tree_all_finite(dirty)
    clean = total(xyz[:6], valid[:6])
    np.testing.assert_allclose(dirty[0], clean[0], rtol=1e-5)
    np.testing.assert_allclose(dirty[1][:6], clean[1], rtol=1e-4, atol=1e-4)
