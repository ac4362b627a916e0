"""Ranking of keypoints by depth, from labels of pairs.

Weak supervision as in WSP (arXiv 2211.11983): a label gives which of two keypoints is
nearer, not by how much.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.geometry import numerics


def pairwise_ranking(
    depth_a: Float[Array, "*pairs"],
    depth_b: Float[Array, "*pairs"],
    targets: Int[Array, "*pairs"],
    *,
    where: Bool[Array, "*pairs"] | None = None,
) -> Float[Array, "*pairs"]:
    r"""Three-way ranking loss of predicted relative depths.

    $$ \ell = \begin{cases} \log(1 + e^{-r (z_b - z_a)}) & r = \pm 1 \\
    (z_a - z_b)^2 & r = 0 \end{cases} $$

    for a label $r = +1$ (a is nearer), $-1$ (b is) or 0 (equally near).

    Args:
        depth_a: predicted depth of the first keypoint of each pair, any unit.
        depth_b: predicted depth of the second keypoint, same unit.
        targets: label $r$: +1, -1 or 0.
        where: pairs that have a label; default: all. Others give 0, whatever they
            hold, NaN included, and no gradient.

    Returns:
        Penalty of each pair.
    """
    difference = numerics.fill_masked(depth_b, where)
    difference = difference - numerics.fill_masked(depth_a, where)
    # softplus is log(1 + exp(x)) without overflow.
    ordered = jax.nn.softplus(-targets * difference)
    penalty = jnp.where(targets == 0, difference**2, ordered)
    return numerics.fill_masked(penalty, where)
