"""Curves over time: weights of key poses in a ring, gait steps, jumps and sway."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

TAU = 2.0 * jnp.pi


def _smooth_step(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Minimum-jerk step from 0 to 1 on [0, 1]: 10 x^3 - 15 x^4 + 6 x^5."""
    x = jnp.clip(x, 0.0, 1.0)
    return x**3 * (10.0 + x * (6.0 * x - 15.0))


def ring_weights(
    beats: Float[Array, " frames"], num_keys: int, *, hold: Array, flow: Array
) -> tuple[Float[Array, "frames keys"], Float[Array, "frames keys"]]:
    """Interpolation weights of key poses in a ring, one key pose per beat.

    A mixture of minimum-jerk moves from pose to pose and of a uniform cubic B-spline
    that passes them without stopping. The weights are non-negative and sum to one, so
    that interpolated poses stay in the convex hull of the key poses.

    Args:
        beats: time in units of the key interval.
        num_keys: length of the ring.
        hold: share of each beat at rest, in [0, 1).
        flow: 0 stops at each pose, 1 passes them without stopping.

    Returns:
        Weights of the key poses, and the progress bump sin^2(pi u) of the move that
        starts at each key pose.
    """
    offset = jnp.mod(beats[:, None] - jnp.arange(num_keys)[None], num_keys)
    move = jnp.clip(offset / (1.0 - hold), 0.0, 1.0)
    arriving = _smooth_step((offset - (num_keys - 1)) / (1.0 - hold))
    steps = jnp.where(offset < 1.0, 1.0 - _smooth_step(move), arriving)
    # Distance to the key on the ring, for the B-spline kernel of support 2.
    away = jnp.minimum(offset, num_keys - offset)
    near = 2.0 / 3.0 - away**2 + 0.5 * away**3
    spline = jnp.where(away < 1.0, near, jnp.maximum(2.0 - away, 0.0) ** 3 / 6.0)
    bump = jnp.where(offset < 1.0, jnp.sin(jnp.pi * move) ** 2, 0.0)
    return (1.0 - flow) * steps + flow * spline, bump


def foot_cycle(
    phase: Float[Array, "*shape"], *, duty: Float[Array, "*#shape"]
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Position and lift of a foot during a stride that starts at its heel strike.

    The standing foot moves back at constant speed, from 1 to -1, while `phase` goes
    from 0 to `duty`; the swinging foot returns on the cubic with the same speeds at its
    ends.

    Args:
        phase: strides; only the fraction matters.
        duty: share of the stride during which the foot stands.

    Returns:
        Position in units of half the distance covered while standing, and lift in
        [0, 1].
    """
    phase = jnp.mod(phase, 1.0)
    u = jnp.clip((phase - duty) / (1.0 - duty), 0.0, 1.0)
    slope = -2.0 * (1.0 - duty) / duty
    swing = (
        -1.0 + 2.0 * u**2 * (3.0 - 2.0 * u) + slope * u * (1.0 - u) * (1.0 - 2.0 * u)
    )
    place = jnp.where(phase < duty, 1.0 - 2.0 * phase / duty, swing)
    # The foot rises faster than it comes down: the peak lies at 37 % of the swing.
    return place, 0.5 - 0.5 * jnp.cos(TAU * u**0.7)


def pulse(
    phase: Float[Array, "*shape"], *, center: Float[Array, "*#shape"]
) -> Float[Array, "*shape"]:
    """Smooth periodic bump of height 1 and a width of a sixth of the cycle."""
    return jnp.exp(6.0 * (jnp.cos(TAU * (phase - center)) - 1.0))


def jump_cycle(
    phase: Float[Array, "*shape"], *, flight: Float[Array, "*#shape"]
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Height off the floor and crouch of a repeated jump, both in [0, 1].

    Args:
        phase: number of jumps; take-off is at phase 0.
        flight: share of the cycle in the air.
    """
    phase = jnp.mod(phase, 1.0)
    height = jnp.sin(jnp.pi * jnp.clip(phase / flight, 0.0, 1.0)) ** 2
    ground = jnp.clip((phase - flight) / (1.0 - flight), 0.0, 1.0)
    return height, jnp.sin(jnp.pi * ground) ** 2


def sway(
    time: Float[Array, " frames"],
    rates: Float[Array, "waves channels"],
    phases: Float[Array, "waves channels"],
) -> Float[Array, "frames channels"]:
    """Involuntary motion: sums of sinusoids with unit variance.

    Args:
        time: seconds.
        rates: Hz.
        phases: cycles.
    """
    waves = jnp.sin(TAU * (time[:, None, None] * rates[None] + phases[None]))
    return jnp.sum(waves, axis=1) * (2.0 / rates.shape[0]) ** 0.5
