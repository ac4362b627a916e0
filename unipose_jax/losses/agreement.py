"""Predictions of one pose from several modalities should agree."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from unipose_jax import reduction
from unipose_jax.geometry import numerics


def cross_modal_loss(
    xyz: Float[Array, "*batch joints 3"],
    other_xyz: Float[Array, "*batch joints 3"],
    *,
    confidence: Float[Array, "*batch joints"],
    other_confidence: Float[Array, "*batch joints"],
    delta: float = 0.05,
) -> reduction.WeightedMean:
    r"""Robust distance between two predictions, where both are confident.

    Pseudo-Huber delta (sqrt(1 + |p - q|^2 / delta^2) - 1), weighted by the product of
    the confidences (the cross-modal interaction of UniPose, arXiv 2509.23376: the
    distance is ours). Gradients reach both predictions, and neither confidence: doubt
    is no way out of disagreement.

    Args:
        xyz: joints from one modality, metres.
        other_xyz: from another, metres, same frame.
        confidence: of `xyz`, in [0, 1]; 0 where the modality was not looked at.
        other_confidence: of `other_xyz`.
        delta: transition from quadratic to linear, metres.

    Returns:
        Weighted mean penalty in metres, not yet divided.
    """
    weight = jax.lax.stop_gradient(confidence * other_confidence)
    counted = weight > 0.0
    difference = jnp.where(counted[..., None], xyz, 0.0)
    difference -= jnp.where(counted[..., None], other_xyz, 0.0)
    penalty = numerics.pseudo_huber((difference**2).sum(axis=-1), delta=delta)
    return reduction.weighted_mean(penalty, weight, counted)
