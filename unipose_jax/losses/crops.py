"""Supervision of joints in the pixels of a crop, and of their depth, as in A2J.

Xiong et al., A2J, ICCV 2019, arXiv 1908.09999: the loss of joint positions is a smooth
L1 of the pixels and one of the depth; the loss of informative anchors is the smooth L1
of the pixels for the weighted mean of the anchors.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import numerics


def joint_pixel(
    uv: Float[Array, "*batch joints 2"],
    targets: Float[Array, "*batch joints 2"],
    *,
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 1.0,
) -> Float[Array, "*batch joints"]:
    r"""Smooth L1 distance of joints, or of their anchors, to pixels of the crop.

    A2J's $L_\tau$ with $\tau$ = `delta`, averaged over u and v:

    $$ L_\tau(e) = \begin{cases} e^2 / (2 \tau) & |e| < \tau \\
    |e| - \tau / 2 & \text{elsewhere.} \end{cases} $$

    For joints it is the in-plane part of A2J's loss
    of joint positions; for the weighted mean of the anchors, its loss of informative
    anchors.

    Args:
        uv: predicted joints, pixels.
        targets: labels, pixels of the same crop; taken as constant.
        where: joints that have a label; default: all. Others give 0, whatever they
            hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, pixels.

    Returns:
        Penalty of each joint, pixels.
    """
    error = jnp.abs(_difference(uv, targets, where))
    near = jnp.minimum(error, delta)
    penalty = near**2 / (2.0 * delta) + (error - near)
    return penalty.mean(axis=-1)


def joint_depth(
    depth: Float[Array, "*batch joints"],
    targets: Float[Array, "*batch joints"],
    *,
    where: Bool[Array, "*batch joints"] | None = None,
) -> Float[Array, "*batch joints"]:
    r"""Absolute error of the depth of joints.

    A2J's paper has a smooth L1 with $\tau = 3$ here; its published code uses the plain
    L1, as this function does. The gradient is zero at zero error.

    Args:
        depth: predicted z, metres.
        targets: labels, metres; taken as constant.
        where: joints that have a label; default: all. Others give 0, whatever they
            hold, NaN included, and no gradient.

    Returns:
        Error of each joint, metres.
    """
    error = _difference(depth, targets, where)
    # |e|, but the gradient of `abs` at 0 is 1.
    return error * jnp.sign(error)


def depth_bins(
    logits: Float[Array, "*batch joints bins"],
    targets: Float[Array, "*batch joints"],
    *,
    limit: float,
    where: Bool[Array, "*batch joints"] | None = None,
) -> Float[Array, "*batch joints"]:
    """Cross-entropy of a depth that is classified into bins of equal width.

    The label is spread over the two bins whose middles enclose it, in proportion to its
    distance from them, so that the mean of the bins under the label is the target.

    Args:
        logits: of the bins, which divide [-limit, limit].
        targets: labels, metres; taken as constant. Those beyond the middles of the
            outer bins count as these.
        limit: metres.
        where: joints that have a label; default: all. Others give 0, whatever they
            hold, NaN included, and no gradient.

    Returns:
        Cross-entropy of each joint, nats.
    """
    count = logits.shape[-1]
    targets = jax.lax.stop_gradient(numerics.fill_masked(targets, where))
    place = (targets + limit) * count / (2.0 * limit) - 0.5  # in bins
    place = jnp.clip(place, 0.0, count - 1.0)[..., None]
    bins = jnp.arange(count).reshape((1,) * targets.ndim + (count,))
    label = jnp.maximum(1.0 - jnp.abs(place - bins), 0.0)
    if where is not None:
        logits = jnp.where(where[..., None], logits, 0.0)
        label = jnp.where(where[..., None], label, 0.0)
    return -(label * jax.nn.log_softmax(logits, axis=-1)).sum(axis=-1)


def _difference(values: Array, targets: Array, where: Array | None) -> Array:
    """Values minus constant targets; 0 outside `where`, also for the gradient."""
    values = numerics.fill_masked(values, where)
    return values - jax.lax.stop_gradient(numerics.fill_masked(targets, where))
