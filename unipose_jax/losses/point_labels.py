"""Supervision of the classes of points."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.geometry import numerics


def categorical_cross_entropy(
    logits: Float[Array, "*batch points classes"],
    labels: Int[Array, "*batch points"],
    *,
    where: Bool[Array, "*batch points"] | None = None,
) -> Float[Array, "*batch points"]:
    r"""Cross-entropy of predicted class probabilities against labels.

    $\log \sum_k e^{l_k} - l_c$ for logits $l$ and class $c$: minus the logarithm of the
    probability that the softmax gives to the class.

    Args:
        logits: of the classes, e.g. of `skeleton.body_parts.NAMES`.
        labels: index of each point's class.
        where: points that have a label; default: all. Others give 0, whatever they
            hold, NaN included, and no gradient.

    Returns:
        Cross-entropy of each point, nats.
    """
    logits = numerics.fill_masked(logits, where)
    labels = labels if where is None else jnp.where(where, labels, 0)
    chosen = jnp.take_along_axis(logits, labels[..., None].astype(int), axis=-1)[..., 0]
    penalty = jax.nn.logsumexp(logits, axis=-1) - chosen
    return numerics.fill_masked(penalty, where)
