"""Supervision of joints in 3D: labels, pseudo-labels, or another prediction."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import numerics
from unipose_jax.skeleton import definitions, kinematics


def joint_position(
    xyz: Float[Array, "*batch joints 3"],
    targets: Float[Array, "*batch joints 3"],
    *,
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.1,
) -> Float[Array, "*batch joints"]:
    r"""Robust distance from each joint to its label.

    Pseudo-Huber penalty of the joint $p$ and its label $t$:

    $$ \ell = \delta \left( \sqrt{1 + \lVert p - t \rVert^2 / \delta^2} - 1 \right) $$

    Args:
        xyz: predicted joints, metres.
        targets: labels, metres, frame of `xyz`; taken as constant.
        where: joints that have a label; default: all. Others give 0, whatever they
            hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, metres.

    Returns:
        Penalty of each joint, metres.
    """
    xyz = numerics.fill_masked(xyz, where)
    targets = jax.lax.stop_gradient(numerics.fill_masked(targets, where))
    sq_dist = jnp.sum((xyz - targets) ** 2, axis=-1)
    return numerics.pseudo_huber(sq_dist, delta=delta)


def cross_modal(
    xyz: Float[Array, "*batch joints 3"],
    other_xyz: Float[Array, "*batch joints 3"],
    *,
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.05,
) -> Float[Array, "*batch joints"]:
    r"""Robust distance between two predictions of one pose.

    Pseudo-Huber penalty of $\lVert p - q \rVert$, for the cross-modal interaction of
    UniPose (arXiv 2509.23376; the choice of distance is ours). The gradient reaches
    both predictions; `stop_gradient` on one makes it a target. Weight the penalty by
    the product of both confidences, taken as constant: otherwise the loss falls by
    lowering the confidences.

    Args:
        xyz: joints from one modality, metres.
        other_xyz: joints from another modality, metres, same frame.
        where: joints that both modalities predict; default: all. Others give 0,
            whatever they hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, metres.

    Returns:
        Penalty of each joint, metres.
    """
    xyz = numerics.fill_masked(xyz, where)
    other_xyz = numerics.fill_masked(other_xyz, where)
    sq_dist = jnp.sum((xyz - other_xyz) ** 2, axis=-1)
    return numerics.pseudo_huber(sq_dist, delta=delta)


@definitions.accepts_name
def bone_vector(
    xyz: Float[Array, "*batch joints 3"],
    targets: Float[Array, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.05,
) -> Float[Array, "*batch bones"]:
    r"""Robust difference of the vectors from parent to child joint.

    Pseudo-Huber penalty of $\lVert (p_c - p_p) - (t_c - t_p) \rVert$ for child $c$ and
    parent $p$, which does not depend on where the pose is as a whole. A term of K. Wang
    et al., T-PAMI 2019 (arXiv 1901.03798).

    Args:
        xyz: predicted joints, metres.
        targets: labels, metres, frame of `xyz`; taken as constant.
        skeleton: of both.
        where: joints that have a label; default: all. The bones of others give 0,
            whatever they hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, metres.

    Returns:
        Penalty of each bone, metres.
    """
    xyz = numerics.fill_masked(xyz, where)
    targets = jax.lax.stop_gradient(numerics.fill_masked(targets, where))
    difference = kinematics.bone_vectors(xyz - targets, skeleton=skeleton)
    penalty = numerics.pseudo_huber(jnp.sum(difference**2, axis=-1), delta=delta)
    return numerics.fill_masked(penalty, kinematics.both_ends(where, skeleton=skeleton))
