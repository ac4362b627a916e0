"""Velocity and acceleration of joints from real, possibly irregular time stamps."""

from jaxtyping import Bool, Float

from unipose_jax.geometry import arrays

# Frames further apart than this are not compared, seconds.
MAX_GAP = 0.5


def time_steps(
    time: Float[arrays.AnyArray, "*batch time"],
) -> Float[arrays.AnyArray, "*batch time-1"]:
    """Seconds from each frame to the next; 1 where time does not increase.

    The 1 keeps divisions finite; `consecutive` masks these steps.

    Args:
        time: seconds, increasing where frames are real.
    """
    xp = arrays.namespace(time)
    step = xp.diff(time, axis=-1)
    return xp.where(step > 0, step, 1.0)


def consecutive(
    time: Float[arrays.AnyArray, "*batch time"], *, max_gap: float = MAX_GAP
) -> Bool[arrays.AnyArray, "*batch time-1"]:
    """Mask of steps in which time increases by at most `max_gap`.

    False for repeated or decreasing time stamps (padding, another clip) and for long
    gaps.

    Args:
        time: seconds.
        max_gap: seconds.
    """
    xp = arrays.namespace(time)
    step = xp.diff(time, axis=-1)
    return (step > 0) & (step <= max_gap)


def velocity(
    xyz: Float[arrays.AnyArray, "*batch time joints 3"],
    time: Float[arrays.AnyArray, "*batch time"],
) -> Float[arrays.AnyArray, "*batch time-1 joints 3"]:
    """First difference over time, m/s: the mean velocity between two frames.

    Args:
        xyz: joints, metres, any frame at rest.
        time: seconds.
    """
    xp = arrays.namespace(xyz)
    return xp.diff(xyz, axis=-3) / time_steps(time)[..., None, None]


def line_deviation(
    xyz: Float[arrays.AnyArray, "*batch time joints 3"],
    time: Float[arrays.AnyArray, "*batch time"],
) -> Float[arrays.AnyArray, "*batch time-2 joints 3"]:
    """Offset of each joint from the line between its neighbours in time, metres.

    The point of that line at the time of the joint, minus the joint: zero for uniform
    motion with any spacing of frames.

    Args:
        xyz: joints, metres, any frame at rest.
        time: seconds.
    """
    before, after = _before_and_after(time)
    share = (before / (before + after))[..., None, None]
    past, now, future = xyz[..., :-2, :, :], xyz[..., 1:-1, :, :], xyz[..., 2:, :, :]
    return past + share * (future - past) - now


def acceleration(
    xyz: Float[arrays.AnyArray, "*batch time joints 3"],
    time: Float[arrays.AnyArray, "*batch time"],
) -> Float[arrays.AnyArray, "*batch time-2 joints 3"]:
    """Second difference over time, m/s^2, exact for any parabola in time.

    With steps h before and k after, a = 2 e / (h k), where e is `line_deviation`.

    Args:
        xyz: joints, metres, any frame at rest.
        time: seconds, irregular spacing allowed.
    """
    before, after = _before_and_after(time)
    return line_deviation(xyz, time) * (2.0 / (before * after))[..., None, None]


def half_step_product(
    time: Float[arrays.AnyArray, "*batch time"],
) -> Float[arrays.AnyArray, "*batch time-2"]:
    """Half the product of the steps before and after, s^2.

    A bound on acceleration times this is a bound on the length of `line_deviation`.

    Args:
        time: seconds.
    """
    before, after = _before_and_after(time)
    return 0.5 * before * after


def _before_and_after(
    time: arrays.AnyArray,
) -> tuple[arrays.AnyArray, arrays.AnyArray]:
    step = time_steps(time)
    return step[..., :-1], step[..., 1:]
