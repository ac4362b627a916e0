"""Bounds on how joints move, from real time stamps."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax import reduction
from unipose_jax.geometry import numerics
from unipose_jax.losses import anatomy
from unipose_jax.physics import finite_differences, residuals


def speed_loss(
    xyz: Float[Array, "*batch time joints 3"],
    time: Float[Array, "*batch time"],
    *,
    limit: Float[Array, " joints"],
    weight: Float[Array, "*batch time joints"] | None = None,
    valid: Bool[Array, "*batch time joints"] | None = None,
    delta: float = 0.05,
    max_gap: float = finite_differences.MAX_GAP,
) -> reduction.WeightedMean:
    """Joints move no faster than they can.

    Pseudo-Huber of max(|p' - p| - v h, 0), in metres: how far beyond the reach of a
    joint of speed v the step of h seconds went. Scales like the other terms, whatever
    the frame rate.

    Args:
        xyz: predicted joints, metres, any frame at rest.
        time: seconds. Steps that do not increase, or exceed `max_gap`, do not count.
        limit: v, m/s (`physics.limits.max_speeds`).
        weight: in [0, 1], how far the term may move each joint (see `anatomy.acting`).
        valid: False removes a joint's steps, whatever it holds.
        delta: transition from quadratic to linear, metres.
        max_gap: seconds.

    Returns:
        Weighted mean penalty in metres, not yet divided.
    """
    xyz, weight, valid = anatomy.acting(xyz, weight, valid)
    linked = finite_differences.connected(time, max_gap=max_gap)[..., None]
    counted = valid[..., :-1, :] & valid[..., 1:, :] & linked
    excess = residuals.speed(xyz, time, limit=limit)
    penalty = numerics.pseudo_huber(excess**2, delta=delta)
    weight = jnp.maximum(weight[..., :-1, :], weight[..., 1:, :])
    return reduction.weighted_mean(penalty, weight, counted)


def acceleration_loss(
    xyz: Float[Array, "*batch time joints 3"],
    time: Float[Array, "*batch time"],
    *,
    limit: Float[Array, " joints"],
    weight: Float[Array, "*batch time joints"] | None = None,
    valid: Bool[Array, "*batch time joints"] | None = None,
    delta: float = 0.05,
    max_gap: float = finite_differences.MAX_GAP,
) -> reduction.WeightedMean:
    """Joints accelerate no harder than they can.

    Pseudo-Huber of max(|e| - a h k / 2, 0), in metres: e is how far a joint strays from
    the straight line through its neighbours in time, which an acceleration a explains
    up to a h k / 2 with steps of h and k seconds. Exact for irregular time stamps.

    Args:
        xyz: predicted joints, metres, any frame at rest.
        time: seconds. Steps that do not increase, or exceed `max_gap`, do not count.
        limit: a, m/s^2 (`physics.limits.max_accelerations`).
        weight: in [0, 1], how far the term may move each joint (see `anatomy.acting`).
        valid: False removes what a joint takes part in, whatever it holds.
        delta: transition from quadratic to linear, metres.
        max_gap: seconds.

    Returns:
        Weighted mean penalty in metres, not yet divided.
    """
    xyz, weight, valid = anatomy.acting(xyz, weight, valid)
    linked = finite_differences.connected(time, max_gap=max_gap)
    counted = valid[..., :-2, :] & valid[..., 1:-1, :] & valid[..., 2:, :]
    counted &= (linked[..., :-1] & linked[..., 1:])[..., None]
    excess = residuals.acceleration(xyz, time, limit=limit)
    penalty = numerics.pseudo_huber(excess**2, delta=delta)
    outer = jnp.maximum(weight[..., :-2, :], weight[..., 2:, :])
    weight = jnp.maximum(outer, weight[..., 1:-1, :])
    return reduction.weighted_mean(penalty, weight, counted)
