import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import models
from unipose_jax.models import point_parts
from unipose_jax.skeleton import body_parts

CONFIG = {
    "name": "point_net",
    "num_patches": 12,
    "width": 16,
    "num_blocks": 1,
    "num_heads": 2,
    "dtype": "float32",
    "point_parts": True,
}


@pytest.fixture(scope="module")
def clip():
    spread = jnp.array([0.3, 0.6, 0.15]).reshape(1, 1, 1, 3)
    points = jax.random.normal(jax.random.key(0), (2, 2, 64, 3)) * spread
    return {
        "points": points + jnp.array([0.2, -0.1, 2.5]).reshape(1, 1, 1, 3),
        "points_valid": jnp.ones((2, 2, 64), bool),
        "time": jnp.tile(jnp.arange(2) / 15.0, (2, 1)),
    }


def initialize(config, clip):
    network = models.build(config, num_joints=5)
    return jax.jit(network.init)(jax.random.key(1), **clip)


@pytest.fixture(scope="module")
def params(clip):
    return initialize(CONFIG, clip)


@pytest.fixture(scope="module")
def net(params):
    apply = jax.jit(models.build(CONFIG, num_joints=5).apply)
    return lambda clip, **changed: apply(params, **clip | changed)


def test_each_point_has_a_logit_per_part_and_the_joints_stay(net, clip, params):
    estimate = net(clip)
    assert estimate.part_logits.shape == (2, 2, 64, body_parts.COUNT)
    assert estimate.part_logits.dtype == jnp.float32
    plain = models.build(CONFIG | {"point_parts": False}, num_joints=5)
    without = jax.jit(plain.apply)(params, **clip)
    assert without.part_logits is None
    np.testing.assert_allclose(without.xyz, estimate.xyz, atol=1e-5)


def test_a_network_without_the_head_has_the_same_parameters_as_before(clip, params):
    before = initialize({k: v for k, v in CONFIG.items() if k != "point_parts"}, clip)
    chex.assert_trees_all_equal_shapes(
        {**before["params"], "point_parts": params["params"]["point_parts"]},
        params["params"],
    )
    added = params["params"].keys() - before["params"].keys()
    assert added == {"point_parts"}


def test_the_logits_follow_their_points(net, clip):
    order = np.random.default_rng(0).permutation(64)
    shuffled = net(clip, points=clip["points"][:, :, order]).part_logits
    np.testing.assert_allclose(
        shuffled, net(clip).part_logits[:, :, order], atol=1e-4, rtol=1e-4
    )


def test_moving_the_cloud_changes_nothing(net, clip):
    moved = net(clip, points=clip["points"] + 1.0)
    # Rounding of the shifted input in float32, amplified by the layers.
    np.testing.assert_allclose(moved.part_logits, net(clip).part_logits, atol=1e-3)


def test_missing_points_do_not_matter_even_if_nan(net, clip):
    keep = jnp.broadcast_to(jnp.arange(64) < 40, (2, 2, 64))
    dirty = jnp.where(keep[..., None], clip["points"], jnp.nan)
    found = net(clip, points=dirty, points_valid=keep).part_logits
    assert np.isfinite(found).all()
    short = {"points": clip["points"][:, :, :40], "points_valid": keep[:, :, :40]}
    expected = net(clip, **short).part_logits
    np.testing.assert_allclose(found[:, :, :40], expected, atol=1e-4)


@pytest.mark.parametrize("count", [0, 1, 64])
def test_gradients_are_finite(clip, params, count):
    network = models.build(CONFIG, num_joints=5)
    valid = jnp.broadcast_to(jnp.arange(64) < count, (2, 2, 64))

    def total(params):
        return network.apply(params, **clip | {"points_valid": valid}).part_logits.sum()

    grad = jax.jit(jax.grad(total))(params)
    chex.assert_tree_all_finite(grad)
    assert (
        count == 0 or np.abs(grad["params"]["patches"]["Dense_0"]["kernel"]).sum() > 0
    )


def test_the_head_is_the_mean_of_linear_features_of_near_tokens():
    keys = jax.random.split(jax.random.key(2), 3)
    points = 0.3 * jax.random.normal(keys[0], (7, 3))
    centers = 0.3 * jax.random.normal(keys[1], (4, 3))
    tokens = jax.random.normal(keys[2], (4, 6))
    head = point_parts.PointParts(hidden=5)
    params = jax.jit(head.init)(jax.random.key(3), points, tokens, centers)
    weights = {k: jax.tree.map(np.float64, v) for k, v in params["params"].items()}

    def dense(x, name):
        return np.asarray(x) @ weights[name]["kernel"] + weights[name]["bias"]

    def expected(point):
        offset = (point[None] - centers) / 0.08
        share = jax.nn.softmax(-0.5 * (offset**2).sum(-1))
        local = dense(tokens, "local").reshape(4, 4, 5)
        linear = local[:, 0] + np.einsum("tk,tkh->th", offset, local[:, 1:])
        hidden = dense(jax.nn.gelu(jnp.asarray(share @ linear)), "hidden")
        return dense(jax.nn.gelu(jnp.asarray(hidden)), "logits")

    found = jax.jit(head.apply)(params, points, tokens, centers)
    by_hand = np.stack([expected(point) for point in points])
    np.testing.assert_allclose(found, by_hand, atol=1e-4)
    # A point needs no other point.
    some = jax.jit(head.apply)(params, points[2:5], tokens, centers)
    np.testing.assert_allclose(some, found[2:5], atol=1e-5)


def test_a_point_far_from_every_patch_has_finite_logits():
    tokens, centers = jnp.ones((3, 6)), jnp.zeros((3, 3))
    head = point_parts.PointParts()
    far = jnp.full((1, 3), 50.0)
    params = jax.jit(head.init)(jax.random.key(0), far, tokens, centers)
    assert np.isfinite(jax.jit(head.apply)(params, far, tokens, centers)).all()
