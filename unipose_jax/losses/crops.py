"""Supervision of joints in the pixels of a crop, and of their depth, as A2J does it.

Xiong et al., A2J, ICCV 2019, arXiv 1908.09999: the loss of joint positions is a smooth
L1 of the pixels and one of the depth; the loss of informative anchors is the smooth L1
of the pixels for the weighted mean of the anchors.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax import reduction


def pixel_loss(
    uv: Float[Array, "*batch joints 2"],
    target_uv: Float[Array, "*batch joints 2"],
    *,
    weight: Float[Array, "*batch joints"],
    valid: Bool[Array, "*batch joints"],
    delta: float = 1.0,
) -> reduction.WeightedMean:
    r"""Smooth L1 distance of joints, or of their anchors, to pixels of the crop.

    A2J's L_tau with tau = `delta`: e^2 / (2 delta) where |e| < delta, |e| - delta / 2
    elsewhere, averaged over u and v. For joints it is the in-plane part of A2J's loss
    of joint positions; for the weighted mean of the anchors, its loss of informative
    anchors.

    Args:
        uv: predicted joints, pixels.
        target_uv: labels, pixels of the same crop; taken as constant. Ignored, even if
            NaN, where not `valid`.
        weight: trust in the label, multiplies the penalty.
        valid: False removes the joint, whatever it holds, from both sum and weight.
        delta: transition from quadratic to linear, pixels.

    Returns:
        Weighted mean penalty in pixels, not yet divided.
    """
    error = jnp.abs(_difference(uv, target_uv, valid[..., None]))
    near = jnp.minimum(error, delta)
    penalty = near**2 / (2.0 * delta) + (error - near)
    return reduction.weighted_mean(penalty.mean(axis=-1), weight, valid)


def depth_loss(
    depth: Float[Array, "*batch joints"],
    target: Float[Array, "*batch joints"],
    *,
    weight: Float[Array, "*batch joints"],
    valid: Bool[Array, "*batch joints"],
) -> reduction.WeightedMean:
    """Absolute error of the depth of joints, |z - t|.

    A2J's paper has a smooth L1 with tau = 3 here; its published code adds the plain L1,
    and so do we. The gradient is zero at zero error.

    Args:
        depth: predicted z, metres.
        target: labels, metres; taken as constant. Ignored, even if NaN, where not
            `valid`.
        weight: trust in the label, multiplies the penalty.
        valid: False removes the joint, whatever it holds, from both sum and weight.

    Returns:
        Weighted mean error in metres, not yet divided.
    """
    error = _difference(depth, target, valid)
    # |e|, but the gradient of `abs` at 0 is 1.
    return reduction.weighted_mean(error * jnp.sign(error), weight, valid)


def _difference(value: Array, target: Array, valid: Array) -> Array:
    """Value less constant target, 0 where not valid, also for the gradient."""
    # Replaced before the arithmetic: NaN would get through to the gradient.
    value = jnp.where(valid, value, 0.0)
    return value - jax.lax.stop_gradient(jnp.where(valid, target, 0.0))
