import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import losses

PIXEL = jax.jit(losses.joint_pixel, static_argnames="delta")
DEPTH = jax.jit(losses.joint_depth)
LOSSES = {"pixel": PIXEL, "depth": DEPTH}
every_loss = pytest.mark.parametrize("name", LOSSES)


def loss(name, value, targets, **options):
    return LOSSES[name](value, targets, **options)


def values(name, seed=0, shape=(2, 5)):
    shape = (*shape, 2) if name == "pixel" else shape
    return 3.0 * jax.random.normal(jax.random.key(seed), shape)


def grad(name, value, target, **options):
    slope = jax.grad(lambda x: loss(name, x, target, **options).mean())
    return jax.jit(slope)(value)


def spread(name, where):
    """`where` in the shape of values."""
    return where[..., None] if name == "pixel" else where


def test_pixel_loss_by_hand():
    # 0.5 px is quadratic, 0.125; 3 px is linear, 2.5; their mean over u and v.
    value = loss("pixel", jnp.array([[10.5, 7.0]]), jnp.array([[10.0, 10.0]]))
    np.testing.assert_allclose(value.mean(), (0.125 + 2.5) / 2, rtol=1e-6)


def test_pixel_loss_with_another_delta_by_hand():
    # With 3 px as the transition: 2 px cost 4 / 6, 5 px cost 5 - 1.5.
    value = loss("pixel", jnp.array([[2.0, -5.0]]), jnp.zeros((1, 2)), delta=3.0)
    np.testing.assert_allclose(value.mean(), (4 / 6 + 3.5) / 2, rtol=1e-6)


def test_depth_loss_by_hand():
    value = loss("depth", jnp.array([2.0, 3.5]), jnp.array([2.25, 3.0]))
    np.testing.assert_allclose(value.mean(), (0.25 + 0.5) / 2, rtol=1e-6)


def test_pixel_loss_equals_a_slow_reference():
    uv, target = values("pixel"), values("pixel", 1)
    expected = np.zeros((2, 5))
    for place in np.ndindex(2, 5):
        for error in np.abs(np.asarray(uv - target)[place]):
            expected[place] += (error**2 / 4.0 if error < 2.0 else error - 1.0) / 2
    found = loss("pixel", uv, target, delta=2.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("error", [0.0, 1e-20, 0.25, 0.999, 1.0, 1.001, 50.0])
def test_pull_grows_to_one_pixel_and_no_further(error):
    # Half, because the other coordinate shares the mean.
    slope = grad("pixel", jnp.array([[error, 0.0]]), jnp.zeros((1, 2)))
    np.testing.assert_allclose(slope, [[min(error, 1.0) / 2, 0.0]], atol=1e-6)


@every_loss
def test_zero_for_equal_values_with_zero_gradient(name):
    np.testing.assert_array_equal(loss(name, values(name), values(name)).mean(), 0.0)
    np.testing.assert_array_equal(grad(name, values(name), values(name)), 0.0)


@every_loss
def test_moving_both_changes_nothing(name):
    moved = loss(name, values(name) + 8.0, values(name, 1) + 8.0).mean()
    still = loss(name, values(name), values(name, 1)).mean()
    np.testing.assert_allclose(moved, still, rtol=1e-5)


def test_u_and_v_are_alike():
    swapped = loss("pixel", values("pixel")[..., ::-1], values("pixel", 1)[..., ::-1])
    chex.assert_trees_all_close(
        swapped, loss("pixel", values("pixel"), values("pixel", 1))
    )


@every_loss
def test_masked_joints_give_zero_and_no_gradient_even_if_nan(name):
    where = jnp.ones((2, 5), dtype=bool).at[:, ::2].set(False)
    value = jnp.where(spread(name, where), values(name), jnp.nan)
    target = jnp.where(spread(name, where), values(name, 1), jnp.nan)
    found = loss(name, value, target, where=where)
    np.testing.assert_array_equal(found[:, ::2], 0.0)
    expected = loss(name, values(name), values(name, 1))
    np.testing.assert_allclose(found[:, 1::2], expected[:, 1::2], rtol=1e-6)
    slope = grad(name, value, target, where=where)
    chex.assert_tree_all_finite(slope)
    np.testing.assert_array_equal(slope[:, ::2], 0.0)
    assert np.abs(slope[:, 1::2]).min() > 0.0


@every_loss
def test_labels_take_no_gradient(name):
    slope = jax.grad(lambda target: loss(name, values(name), target).mean())
    np.testing.assert_array_equal(jax.jit(slope)(values(name, 1)), 0.0)


@every_loss
def test_vmap_equals_batched_equals_jit(name):
    batched = loss(name, values(name), values(name, 1))
    mapped = jax.jit(jax.vmap(lambda a, b: loss(name, a, b)))
    mapped = mapped(values(name), values(name, 1))
    chex.assert_trees_all_close(mapped, batched, rtol=1e-5)


BINS = jax.jit(losses.depth_bins, static_argnames="limit")


def test_loss_of_depth_bins_by_hand():
    # Middles of 4 bins over 1 m: -0.375, -0.125, 0.125, 0.375. 0.0625 lies a quarter
    # of a bin below the third one.
    logits = jnp.log(jnp.array([[0.1, 0.2, 0.3, 0.4]]))
    found = BINS(logits, jnp.array([0.0625]), limit=0.5)
    expected = -(0.25 * np.log(0.2) + 0.75 * np.log(0.3))
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


@pytest.mark.parametrize("target", [-0.37, -0.125, 0.0, 0.3])
def test_depth_bins_are_best_where_their_mean_is_the_target(target):
    label = np.maximum(1.0 - np.abs((target + 0.5) * 4 - 0.5 - np.arange(4)), 0.0)
    np.testing.assert_allclose(
        label @ [-0.375, -0.125, 0.125, 0.375], target, rtol=1e-5
    )
    logits = jnp.log(jnp.asarray(label[None], jnp.float32) + 1e-9)
    slope = jax.grad(lambda x: BINS(x, jnp.array([target]), limit=0.5).sum())(logits)
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)


def test_depth_beyond_the_bins_counts_as_the_outer_bin():
    logits = jax.random.normal(jax.random.key(0), (1, 4))
    outer = BINS(logits, jnp.array([0.375]), limit=0.5)
    np.testing.assert_allclose(BINS(logits, jnp.array([9.0]), limit=0.5), outer)


def test_unlabelled_depth_bins_change_nothing_even_if_nan():
    logits = jax.random.normal(jax.random.key(0), (3, 4))
    where = jnp.array([True, False, True])
    dirty = logits.at[1].set(jnp.nan), jnp.array([0.1, jnp.nan, -0.2])

    def total(logits):
        return BINS(logits, dirty[1], limit=0.5, where=where).sum()

    value, slope = jax.value_and_grad(total)(dirty[0])
    known = BINS(logits[::2], dirty[1][::2], limit=0.5)
    np.testing.assert_allclose(value, known.sum(), rtol=1e-6)
    assert np.isfinite(slope).all()
    assert (slope[1] == 0.0).all()
