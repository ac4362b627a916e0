"""Supervision of joints in 3D: labels, or a teacher's pseudo-labels."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax import reduction
from unipose_jax.geometry import numerics


def joint_position_loss(
    xyz: Float[Array, "*batch joints 3"],
    target: Float[Array, "*batch joints 3"],
    *,
    weight: Float[Array, "*batch joints"],
    valid: Bool[Array, "*batch joints"],
    delta: float = 0.1,
) -> reduction.WeightedMean:
    r"""Robust distance from each joint to its label.

    Pseudo-Huber delta (sqrt(1 + |p - t|^2 / delta^2) - 1).

    Args:
        xyz: predicted joints, metres.
        target: labels, metres, frame of `xyz`; taken as constant. Ignored, even if
            NaN, where not `valid`.
        weight: trust in the label, multiplies the penalty.
        valid: False removes the joint, whatever it holds, from both sum and weight.
        delta: transition from quadratic to linear, metres.

    Returns:
        Weighted mean penalty in metres, not yet divided.
    """
    xyz = jnp.where(valid[..., None], xyz, 0.0)
    target = jax.lax.stop_gradient(jnp.where(valid[..., None], target, 0.0))
    sq_dist = jnp.sum((xyz - target) ** 2, axis=-1)
    penalty = numerics.pseudo_huber(sq_dist, delta=delta)
    return reduction.weighted_mean(penalty, weight, valid)
