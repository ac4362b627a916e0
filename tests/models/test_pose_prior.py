import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.models import pose_prior
from unipose_jax.synthesis.motion import body_shape

FRAMES = 20
NETWORK = pose_prior.PosePrior(width=8, depth=2)


@functools.cache
def sequence():
    """A person who walks sideways with moving joints: joints, known, time, segment."""
    rng = np.random.default_rng(0)
    offsets = body_shape.REST_OFFSETS
    standing = np.zeros_like(offsets)
    for child, parent in body_shape.BODY.bones:
        standing[child] = standing[parent] + offsets[child]
    xyz = standing + 0.05 * rng.normal(size=(FRAMES, *standing.shape))
    xyz = xyz + np.array([0.1, 0.0, 0.02]) * np.arange(FRAMES)[:, None, None]
    return (
        jnp.asarray(xyz, jnp.float32),
        jnp.ones(xyz.shape[:2], bool),
        jnp.arange(FRAMES) / 15.0,
        jnp.zeros(FRAMES, jnp.int32),
    )


@functools.cache
def parameters():
    """Random ones, so that the output depends on everything."""
    params = jax.jit(NETWORK.init)(jax.random.key(0), *sequence())
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.default_rng(1)
    leaves = [0.3 * rng.normal(size=leaf.shape).astype(np.float32) for leaf in leaves]
    return jax.tree.unflatten(tree, leaves)


@functools.cache
def compiled():
    return jax.jit(NETWORK.apply)


def estimate(**changes):
    names = ("xyz", "known", "time", "segment")
    values = dict(zip(names, sequence(), strict=True)) | changes
    return compiled()(parameters(), **values)


def test_the_estimate_moves_and_turns_with_the_person():
    before = estimate()
    xyz = sequence()[0]
    turn = jnp.array([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0], [-0.8, 0.0, 0.6]])
    shift = jnp.array([[[1.0, -0.3, 2.5]]])
    after = estimate(xyz=xyz @ turn.T + shift)
    np.testing.assert_allclose(after.xyz, before.xyz @ turn.T + shift, atol=1e-3)
    np.testing.assert_allclose(after.scale, before.scale, rtol=0.02)


def test_joints_that_are_not_known_are_ignored_even_if_nan():
    xyz, known, *_ = sequence()
    known = known.at[3:9, 5].set(False)
    ends = [
        estimate(xyz=xyz.at[3:9, 5].set(value), known=known) for value in (0.0, jnp.nan)
    ]
    np.testing.assert_array_equal(ends[0].xyz, ends[1].xyz)
    assert np.isfinite(ends[1].xyz).all()
    assert np.abs(ends[0].xyz - estimate().xyz).max() > 1e-3


def test_segments_do_not_know_of_each_other():
    xyz, _, time, _ = sequence()
    segment = jnp.where(jnp.arange(FRAMES) < 12, 0, 1)
    before = estimate(segment=segment)
    after = estimate(segment=segment, xyz=xyz.at[12:].multiply(1.1))
    np.testing.assert_allclose(after.xyz[:12], before.xyz[:12], atol=1e-5)
    np.testing.assert_allclose(after.scale[:12], before.scale[:12], rtol=1e-4)
    assert np.abs(after.xyz[12:] - before.xyz[12:]).max() > 0.01
    assert np.abs(estimate(xyz=xyz.at[12:].multiply(1.1)).xyz - before.xyz)[11].max()


def test_time_stamps_that_restart_at_a_cut_are_harmless():
    segment = jnp.where(jnp.arange(FRAMES) < 12, 0, 1)
    restarted = jnp.where(segment == 0, 0.0, -12.0 / 15.0) + sequence()[2]
    later = jnp.where(segment == 0, 0.0, 5.0) + sequence()[2]
    found = [estimate(time=time, segment=segment).xyz for time in (restarted, later)]
    # The step across the cut is a feature of the two frames beside it alone.
    np.testing.assert_allclose(found[0][:6], found[1][:6], atol=1e-4)


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_taps_are_a_fixed_time_apart(fps):
    time = jnp.arange(200) / fps
    walk = pose_prior.steps_in_time(time, jnp.zeros(200, jnp.int32))
    for (before, after), tap in zip(walk.taps, pose_prior.TAPS, strict=True):
        assert (before[100], after[100]) == (100 - tap * fps, 100 + tap * fps)
        assert (before[0], after[-1]) == (0, 199)


def test_taps_find_the_nearest_frame_of_uneven_times():
    time = jnp.array([0.0, 0.05, 0.07, 0.2, 0.23])
    walk = pose_prior.steps_in_time(time, jnp.zeros(5, jnp.int32))
    np.testing.assert_array_equal(walk.taps[0][1], [2, 2, 3, 4, 4])


def test_rows_are_the_same_by_product_and_by_index():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(200, 3)), jnp.float32)
    index = jnp.array([5, 0, 5, 99])
    np.testing.assert_allclose(
        pose_prior.rows(x[:100], index), pose_prior.rows(x, index), rtol=1e-6
    )


def test_local_mean_equals_a_loop():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 2)).astype(np.float32) + 5.0
    weight = np.array([1.0, 1.0, 0.0], np.float32)[(np.arange(60) % 3).reshape(30, 2)]
    first = np.maximum(np.arange(30) - 4, 0)
    last = np.minimum(np.arange(30) + 4, 29)
    found = pose_prior.local_mean(
        jnp.asarray(values),
        jnp.asarray(weight),
        (jnp.asarray(first), jnp.asarray(last)),
    )
    for frame in range(30):
        near = slice(first[frame], last[frame] + 1)
        mean = (values[near] * weight[near]).sum(0) / weight[near].sum(0)
        np.testing.assert_allclose(found[frame], mean, rtol=1e-5)


def test_likelihood_is_highest_at_the_scale_of_the_error():
    truth = jnp.zeros((1, 1, 3))
    xyz = jnp.array([[[0.03, 0.0, 0.04]]])
    values = [
        pose_prior.negative_log_likelihood(
            pose_prior.PriorEstimate(xyz, jnp.array([[scale]])), truth
        )[0, 0]
        for scale in (0.015, 0.05 / 3.0, 0.018)
    ]
    np.testing.assert_allclose(values[1], 3.0 + 3.0 * np.log(0.05 / 0.06), rtol=1e-4)
    assert values[1] < min(values[0], values[2])


def test_gradients_are_finite_where_the_estimate_is_exact():
    def value(xyz):
        found = pose_prior.PriorEstimate(xyz, jnp.full((2, 3), 0.02))
        return jnp.sum(pose_prior.negative_log_likelihood(found, jnp.zeros((2, 3, 3))))

    assert np.isfinite(jax.grad(value)(jnp.zeros((2, 3, 3)))).all()
