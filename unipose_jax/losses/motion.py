"""Bounds on the speed and the acceleration of joints, from real time stamps.

To let a loss move some joints more than others, scale their gradients with
`numerics.scale_gradient(xyz, weights)` and average the penalties with `speed_weights`
or `acceleration_weights` of the same joint weights.
"""

import functools
import operator

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import numerics
from unipose_jax.physics import constraints, finite_differences


def speed(
    xyz: Float[Array, "*batch time joints 3"],
    time: Float[Array, "*batch time"],
    *,
    limit: Float[Array, " joints"],
    where: Bool[Array, "*batch time joints"] | None = None,
    delta: float = 0.05,
    max_gap: float = finite_differences.MAX_GAP,
) -> Float[Array, "*batch time-1 joints"]:
    r"""Excess of the step of a joint over what its largest speed allows.

    Pseudo-Huber penalty of $\max(\lVert p' - p \rVert - v h, 0)$, in metres, for a step
    of $h$ seconds and a largest speed $v$. Its scale does not depend on the frame rate.

    Args:
        xyz: predicted joints, metres, any frame at rest.
        time: seconds. Steps that do not increase, or exceed `max_gap`, give 0.
        limit: $v$, m/s (`physics.anthropometry.max_speeds`).
        where: joints that count; default: all. Steps of others give 0, whatever they
            hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, metres.
        max_gap: seconds.

    Returns:
        Penalty of each step of each joint, metres.
    """
    xyz = numerics.fill_masked(xyz, where)
    excess = constraints.speed_excess(xyz, time, limit=limit)
    penalty = numerics.pseudo_huber(excess**2, delta=delta)
    return _fill_uncounted(penalty, time, where, max_gap, frames=2)


def acceleration(
    xyz: Float[Array, "*batch time joints 3"],
    time: Float[Array, "*batch time"],
    *,
    limit: Float[Array, " joints"],
    where: Bool[Array, "*batch time joints"] | None = None,
    delta: float = 0.05,
    max_gap: float = finite_differences.MAX_GAP,
) -> Float[Array, "*batch time-2 joints"]:
    r"""Excess of the bend of a joint's path over what its largest acceleration allows.

    Pseudo-Huber penalty of $\max(\lVert e \rVert - a h k / 2, 0)$, in metres: $e$ is
    the distance of a joint from the straight line through its neighbours in time, which
    an acceleration $a$ explains up to $a h k / 2$ with steps of $h$ and $k$ seconds.
    Exact for irregular time
    stamps.

    Args:
        xyz: predicted joints, metres, any frame at rest.
        time: seconds. Frames next to steps that do not increase, or exceed `max_gap`,
            give 0.
        limit: $a$, m/s^2 (`physics.anthropometry.max_accelerations`).
        where: joints that count; default: all. Frames that need others give 0, whatever
            they hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, metres.
        max_gap: seconds.

    Returns:
        Penalty of each joint in each frame but the first and the last, metres.
    """
    xyz = numerics.fill_masked(xyz, where)
    excess = constraints.acceleration_excess(xyz, time, limit=limit)
    penalty = numerics.pseudo_huber(excess**2, delta=delta)
    return _fill_uncounted(penalty, time, where, max_gap, frames=3)


def speed_weights(
    weights: Float[Array, "*batch time joints"],
    time: Float[Array, "*batch time"],
    *,
    where: Bool[Array, "*batch time joints"] | None = None,
    max_gap: float = finite_differences.MAX_GAP,
) -> Float[Array, "*batch time-1 joints"]:
    """Weights of steps: the larger weight of the two frames; 0 where `speed` is masked.

    Args:
        weights: of the joints, not negative.
        time: seconds.
        where: joints that count; default: all.
        max_gap: seconds.
    """
    largest = functools.reduce(jnp.maximum, _windows(weights, 2, axis=-2))
    return _fill_uncounted(largest, time, where, max_gap, frames=2)


def acceleration_weights(
    weights: Float[Array, "*batch time joints"],
    time: Float[Array, "*batch time"],
    *,
    where: Bool[Array, "*batch time joints"] | None = None,
    max_gap: float = finite_differences.MAX_GAP,
) -> Float[Array, "*batch time-2 joints"]:
    """Largest weight of three frames in a row; 0 where `acceleration` is masked.

    Args:
        weights: of the joints, not negative.
        time: seconds.
        where: joints that count; default: all.
        max_gap: seconds.
    """
    largest = functools.reduce(jnp.maximum, _windows(weights, 3, axis=-2))
    return _fill_uncounted(largest, time, where, max_gap, frames=3)


def _fill_uncounted(
    values: Array, time: Array, where: Array | None, max_gap: float, *, frames: int
) -> Array:
    """Sets values of successive frames to 0 unless all frames are linked and counted.

    Args:
        values: (..., time - frames + 1, joints).
        time: (..., time), seconds.
        where: (..., time, joints), bool; None counts all.
        max_gap: longest step between linked frames, seconds.
        frames: number of successive frames of each value.
    """
    linked = finite_differences.consecutive(time, max_gap=max_gap)
    counted = functools.reduce(operator.and_, _windows(linked, frames - 1, axis=-1))
    counted = jnp.broadcast_to(counted[..., None], values.shape)
    for one in () if where is None else _windows(where, frames, axis=-2):
        counted &= one
    return numerics.fill_masked(values, counted)


def _windows(values: Array, count: int, *, axis: int) -> list[Array]:
    """The `count` shifted views of an array whose elements are successive frames."""
    length = values.shape[axis] - count + 1
    return [
        lax.slice_in_dim(jnp.asarray(values), start, start + length, axis=axis)
        for start in range(count)
    ]
