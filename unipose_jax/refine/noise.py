"""Estimates of each joint's noise and motion from a sequence of poses alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.refine import robust

# Time lags of the second differences, frames.
LAGS = (1, 2, 3, 4)
# Median length of a vector with 3 (2) standard normal components.
MEDIAN_LENGTH = {3: 1.538, 2: 1.177}
# Metres: level for sequences that are too short, and lower limits.
DEFAULT_LEVEL, MIN_NOISE, MIN_MOTION = 0.02, 1e-3, 1e-4


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NoiseLevels:
    """Standard deviations per coordinate of one sequence."""

    noise: Array  # (joints,), of the observation error
    motion: Array  # (joints,), of the true second difference at lag 1


def estimate_levels(
    track: Float[Array, "time joints d"],
    *,
    valid: Bool[Array, "time joints"],
    segment: Int[Array, " time"],
    minimum: float = MIN_NOISE,
    default: float = DEFAULT_LEVEL,
) -> NoiseLevels:
    r"""Estimates noise and motion of each joint from second differences.

    The variance of y(t + k) - 2 y(t) + y(t - k) at lag k is 6 n^2 from noise n that is
    independent in each frame, plus (2 k^3 + k) m^2 / 3 from motion m, for a point
    whose velocity is a random walk. Only the second part grows with the lag, so a
    least-squares fit over several lags (relative errors, both levels non-negative)
    separates the two. The variances come from medians over time, which are robust to
    outliers.

    Args:
        track: joints over time, metres (d = 3) or pixels (d = 2), equal time steps.
        valid: joints with False are ignored, even if NaN.
        segment: differences are computed only within a segment.
        minimum: lower limit of the noise.
        default: both levels for a joint without three successive valid frames.

    Returns:
        Levels in the unit of `track`.
    """
    lags = [lag for lag in LAGS if len(track) > 2 * lag]
    if not lags:
        nothing = jnp.full(track.shape[1], default)
        return NoiseLevels(noise=nothing, motion=nothing)
    found = [_variance(track, valid, segment, lag) for lag in lags]
    variance, counts = (jnp.stack(part) for part in zip(*found, strict=True))
    shape = np.asarray([(2 * lag**3 + lag) / 3 for lag in lags], np.float32)[:, None]
    noise_sq, motion_sq = _fit_levels(variance, counts > 0, shape)
    noise = jnp.maximum(jnp.sqrt(noise_sq), minimum)
    motion = jnp.maximum(jnp.sqrt(motion_sq), MIN_MOTION)
    known = counts[0] > 0
    return NoiseLevels(
        noise=jnp.where(known, noise, default), motion=jnp.where(known, motion, default)
    )


def local_motion(
    xyz: Float[Array, "time joints 3"],
    *,
    levels: NoiseLevels,
    valid: Bool[Array, "time joints"],
    segment: Int[Array, " time"],
    window: int = 7,
) -> Float[Array, "time joints"]:
    """Estimates the motion level around each frame, because motion varies over time.

    The median second difference within `window` frames before and after, minus the
    contribution of the noise, and at least 0.7 times the level of the whole sequence.

    Args:
        xyz: joints over time, metres, equal time steps.
        levels: noise and motion of the whole sequence.
        valid: joints with False are ignored.
        segment: differences are computed only within a segment.
        window: number of frames on each side.

    Returns:
        Standard deviation per coordinate of the second difference, metres.
    """
    length, known = _second_difference(xyz, valid, segment, 1)
    around, around_known = (
        robust.temporal_neighbors(part, radius=window) for part in (length, known)
    )
    median = robust.masked_median(around, around_known, axis=0) / MEDIAN_LENGTH[3]
    motion_sq = jnp.maximum(
        median**2 - 6.0 * levels.noise[None] ** 2, (0.7 * levels.motion[None]) ** 2
    )
    motion = jnp.pad(jnp.sqrt(motion_sq), ((1, 1), (0, 0)), mode="edge")
    # No second difference is at the first and last frame of a segment.
    cut = jnp.pad(segment[1:] != segment[:-1], 1, constant_values=True)[:, None]
    first, last = cut[:-1], cut[1:]
    motion = jnp.where(first & ~last, jnp.roll(motion, -1, axis=0), motion)
    return jnp.where(last & ~first, jnp.roll(motion, 1, axis=0), motion)


def _second_difference(track, valid, segment, lag):
    """Lengths of second differences at a lag, and which of them are known."""
    past, now, future = track[: -2 * lag], track[lag:-lag], track[2 * lag :]
    known = valid[: -2 * lag] & valid[lag:-lag] & valid[2 * lag :]
    known &= (segment[: -2 * lag] == segment[2 * lag :])[:, None]
    difference = jnp.where(known[..., None], future - 2.0 * now + past, 0.0)
    return jnp.sqrt(jnp.sum(difference**2, axis=-1)), known


def _variance(track, valid, segment, lag):
    """Variance per coordinate from the median length, and the number of differences."""
    length, known = _second_difference(track, valid, segment, lag)
    median = robust.masked_median(length, known, axis=0)
    return (median / MEDIAN_LENGTH[track.shape[-1]]) ** 2, jnp.sum(known, axis=0)


def _fit_levels(variance, known, shape):
    """Non-negative least-squares fit of variance = 6 noise + shape motion."""
    weight = known / jnp.maximum(variance, 1e-8) ** 2
    noise_noise = jnp.sum(36.0 * weight, axis=0)
    noise_motion = jnp.sum(6.0 * weight * shape, axis=0)
    motion_motion = jnp.sum(weight * shape**2, axis=0)
    noise_right = jnp.sum(6.0 * weight * variance, axis=0)
    motion_right = jnp.sum(weight * shape * variance, axis=0)
    # A single lag cannot separate noise and motion: everything counts as motion.
    determinant = noise_noise * motion_motion - noise_motion**2
    sound = determinant > 1e-6 * noise_noise * motion_motion
    determinant = jnp.where(sound, determinant, 1.0)
    noise = noise_right * motion_motion - motion_right * noise_motion
    motion = motion_right * noise_noise - noise_right * noise_motion
    noise = jnp.where(sound, noise / determinant, -1.0)
    motion = jnp.where(sound, motion / determinant, -1.0)
    alone = motion_right / jnp.maximum(motion_motion, 1e-30)
    still = noise_right / jnp.maximum(noise_noise, 1e-30)
    only_noise = (motion < 0.0) & sound
    only_motion = (noise < 0.0) & ~only_noise
    noise = jnp.where(only_noise, still, jnp.where(only_motion, 0.0, noise))
    motion = jnp.where(only_motion, alone, jnp.where(only_noise, 0.0, motion))
    return noise, motion
