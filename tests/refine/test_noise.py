import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.refine import noise

estimate_levels = jax.jit(noise.estimate_levels, static_argnames="default")
local_motion = jax.jit(noise.local_motion)


def walk(frames, *, motion, seed=0):
    """Points whose velocity is a random walk."""
    rng = np.random.default_rng(seed)
    kicks = motion * rng.normal(size=(frames, 6, 3))
    return np.cumsum(np.cumsum(kicks, axis=0), axis=0)


def levels(track, **options):
    valid = jnp.ones(track.shape[:2], bool)
    run = jnp.zeros(len(track), jnp.int32)
    track = jnp.asarray(track, jnp.float32)
    return estimate_levels(track, **{"valid": valid, "segment": run} | options)


@pytest.mark.parametrize("sd", [0.01, 0.04])
def test_noise_and_motion_are_recovered(sd):
    rng = np.random.default_rng(1)
    track = walk(1500, motion=0.01) + sd * rng.normal(size=(1500, 6, 3))
    found = levels(track)
    # Medians over 1,500 frames: errors of a few percent, more where noise dominates.
    np.testing.assert_allclose(found.noise, sd, rtol=0.15)
    np.testing.assert_allclose(found.motion, 0.01, rtol=0.5)


def test_smooth_motion_is_not_noise():
    time = np.arange(400) / 30.0
    track = np.stack([np.sin(time + shift) for shift in range(18)], axis=1)
    found = levels(track.reshape(400, 6, 3))
    np.testing.assert_allclose(found.noise, noise.MIN_NOISE)


def test_a_few_outliers_have_little_effect():
    rng = np.random.default_rng(2)
    track = walk(800, motion=0.01) + 0.02 * rng.normal(size=(800, 6, 3))
    clean = levels(track)
    track[rng.random((800, 6)) < 0.05] += 0.5
    np.testing.assert_allclose(levels(track).noise, clean.noise, rtol=0.4)


def test_invalid_joints_have_no_effect():
    track = walk(200, motion=0.01).astype(np.float32)
    valid = np.ones((200, 6), bool)
    valid[::7] = False
    dirty = np.where(valid[..., None], track, np.nan)
    clean = levels(track, valid=jnp.asarray(valid))
    found = levels(dirty, valid=jnp.asarray(valid))
    np.testing.assert_array_equal(found.noise, clean.noise)
    np.testing.assert_array_equal(found.motion, clean.motion)


@pytest.mark.parametrize("frames", [2, 3])
def test_too_few_frames_give_finite_levels(frames):
    found = levels(walk(frames, motion=0.01))
    assert np.isfinite(found.noise).all()
    assert np.isfinite(found.motion).all()


def test_two_frames_get_the_default_noise():
    found = levels(walk(2, motion=0.01), default=2.0)
    np.testing.assert_array_equal(found.noise, np.full(6, 2.0, np.float32))


def test_local_motion_is_larger_during_fast_motion():
    track = walk(200, motion=0.002)
    track[150:] += walk(50, motion=0.05, seed=3)
    found = levels(track)
    valid, run = jnp.ones((200, 6), bool), jnp.zeros(200, jnp.int32)
    local = local_motion(
        jnp.asarray(track, jnp.float32), levels=found, valid=valid, segment=run
    )
    assert local.shape == (200, 6)
    np.testing.assert_allclose(local[:140].mean(), 0.002, rtol=0.3)
    np.testing.assert_allclose(local[160:].mean(), 0.05, rtol=0.3)


def test_local_motion_at_the_ends_of_a_segment_is_that_beside_them():
    """Motion is slow before the cut and fast after it."""
    track = np.concatenate([walk(60, motion=0.002), walk(60, motion=0.05, seed=3)])
    valid, run = jnp.ones((120, 6), bool), jnp.repeat(jnp.arange(2), 60)
    found = estimate_levels(jnp.asarray(track, jnp.float32), valid=valid, segment=run)
    local = local_motion(
        jnp.asarray(track, jnp.float32), levels=found, valid=valid, segment=run
    )
    for end, beside in ((0, 1), (59, 58), (60, 61), (119, 118)):
        np.testing.assert_array_equal(local[end], local[beside])
    assert local[60].mean() > 2 * local[59].mean()
