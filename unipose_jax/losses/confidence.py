"""Supervision of predicted confidences."""

import jax
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import numerics


def binary_cross_entropy(
    logits: Float[Array, "*batch joints"],
    targets: Float[Array, "*batch joints"],
    *,
    where: Bool[Array, "*batch joints"] | None = None,
) -> Float[Array, "*batch joints"]:
    r"""Binary cross-entropy of a predicted confidence against a soft target.

    $\log(1 + e^l) - t\, l$ for logit $l$ and target $t$; smallest where the sigmoid of
    $l$ is $t$.

    Args:
        logits: of the predicted confidences.
        targets: in [0, 1], e.g. `geometry.rays.ray_agreement`; taken as constant.
        where: joints that have a target; default: all. Others give 0, whatever they
            hold, NaN included, and no gradient.

    Returns:
        Cross-entropy of each joint, nats.
    """
    logits = numerics.fill_masked(logits, where)
    targets = jax.lax.stop_gradient(numerics.fill_masked(targets, where))
    penalty = jax.nn.softplus(logits) - targets * logits
    return numerics.fill_masked(penalty, where)
