"""Velocity and acceleration of joints from real, possibly irregular time stamps."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Frames further apart than this belong to different movements, seconds.
MAX_GAP = 0.5


def gaps(time: Float[Array, "*batch time"]) -> Float[Array, "*batch time-1"]:
    """Seconds from each frame to the next; 1 where they are no time apart.

    The replacement keeps divisions finite; `connected` tells where it was needed.

    Args:
        time: seconds, increasing where frames are real.
    """
    step = jnp.diff(time, axis=-1)
    return jnp.where(step > 0, step, 1.0)


def connected(
    time: Float[Array, "*batch time"], *, max_gap: float = MAX_GAP
) -> Bool[Array, "*batch time-1"]:
    """Whether a frame and the next follow each other within `max_gap`.

    False for repeated or decreasing stamps (padding, another clip) and for long gaps.

    Args:
        time: seconds.
        max_gap: seconds.
    """
    step = jnp.diff(time, axis=-1)
    return (step > 0) & (step <= max_gap)


def velocity(
    xyz: Float[Array, "*batch time joints 3"], time: Float[Array, "*batch time"]
) -> Float[Array, "*batch time-1 joints 3"]:
    """First difference over time, m/s: the mean velocity between two frames.

    Args:
        xyz: joints, metres, any frame at rest.
        time: seconds.
    """
    return jnp.diff(xyz, axis=-3) / gaps(time)[..., None, None]


def deviation(
    xyz: Float[Array, "*batch time joints 3"], time: Float[Array, "*batch time"]
) -> Float[Array, "*batch time-2 joints 3"]:
    """From each joint to where its neighbours in time would put it, metres.

    The neighbours' straight line, at the joint's own time, minus the joint: zero for
    uniform motion, however the frames are spaced.

    Args:
        xyz: joints, metres, any frame at rest.
        time: seconds.
    """
    before, after = _before_and_after(time)
    share = (before / (before + after))[..., None, None]
    past, now, future = xyz[..., :-2, :, :], xyz[..., 1:-1, :, :], xyz[..., 2:, :, :]
    return past + share * (future - past) - now


def acceleration(
    xyz: Float[Array, "*batch time joints 3"], time: Float[Array, "*batch time"]
) -> Float[Array, "*batch time-2 joints 3"]:
    """Second difference over time, m/s^2, exact for any parabola in time.

    With steps h before and k after, a = 2 e / (h k), e being the `deviation`.

    Args:
        xyz: joints, metres, any frame at rest.
        time: seconds, irregular spacing allowed.
    """
    before, after = _before_and_after(time)
    return deviation(xyz, time) * (2.0 / (before * after))[..., None, None]


def reach(time: Float[Array, "*batch time"]) -> Float[Array, "*batch time-2"]:
    """Half the product of the steps before and after, s^2.

    Times a bound on acceleration: the largest allowed length of `deviation`.

    Args:
        time: seconds.
    """
    before, after = _before_and_after(time)
    return 0.5 * before * after


def _before_and_after(time: Array) -> tuple[Array, Array]:
    step = gaps(time)
    return step[..., :-1], step[..., 1:]
