"""Supervision of joints in 3D, and what a lifting network checks itself by.

Labels or a teacher's pseudo-labels; and the terms of K. Wang et al., T-PAMI 2019 (arXiv
1901.03798), which compare bones and projected joints.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax import reduction
from unipose_jax.geometry import numerics
from unipose_jax.skeleton import definitions, kinematics


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


def bone_vector_loss(
    xyz: Float[Array, "*batch joints 3"],
    target: Float[Array, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    valid: Bool[Array, "*batch joints"],
    delta: float = 0.05,
) -> reduction.WeightedMean:
    r"""Robust difference of the vectors from parent to child.

    Pseudo-Huber of |(p_c - p_p) - (t_c - t_p)|; where the pose is as a whole does not
    matter.

    Args:
        xyz: predicted joints, metres.
        target: labels, metres, frame of `xyz`; taken as constant. Ignored, even if
            NaN, where not `valid`.
        skeleton: of both.
        valid: False removes the bones of a joint.
        delta: transition from quadratic to linear, metres.

    Returns:
        Mean penalty in metres, not yet divided.
    """
    xyz = jnp.where(valid[..., None], xyz, 0.0)
    target = jax.lax.stop_gradient(jnp.where(valid[..., None], target, 0.0))
    difference = kinematics.bone_vectors(xyz - target, skeleton=skeleton)
    penalty = numerics.pseudo_huber(jnp.sum(difference**2, axis=-1), delta=delta)
    known = _both_ends(valid, skeleton)
    return reduction.weighted_mean(penalty, jnp.ones_like(penalty), known)


def plane_loss(
    plane: Float[Array, "*batch joints 2"],
    observed: Float[Array, "*batch joints 2"],
    *,
    confidence: Float[Array, "*batch joints"],
) -> reduction.WeightedMean:
    """Squared distance of projected joints to keypoints, weighted by confidence.

    Args:
        plane: projected joints, in any unit; relative to the apparent size of the
            person, the term means the same near and far.
        observed: keypoints, in the unit of `plane`; ignored where the confidence is 0.
        confidence: in [0, 1].

    Returns:
        Mean squared distance in the unit's square, not yet divided.
    """
    seen = confidence > 0
    plane, observed = (jnp.where(seen[..., None], x, 0.0) for x in (plane, observed))
    error = plane - observed
    return reduction.weighted_mean(jnp.sum(error**2, axis=-1), confidence, seen)


def bone_extent_loss(
    plane: Float[Array, "*batch joints 2"],
    observed: Float[Array, "*batch joints 2"],
    *,
    skeleton: definitions.Skeleton,
    confidence: Float[Array, "*batch joints"],
) -> reduction.WeightedMean:
    """Squared difference of how far bones reach, along each axis, on the plane.

    The paper's bone term at test time: |child - parent| by component, without sign.

    Args:
        plane: projected joints, in any unit.
        observed: keypoints, in the unit of `plane`.
        skeleton: of both.
        confidence: in [0, 1]; a bone has the lower one of its ends.

    Returns:
        Mean squared difference in the unit's square, not yet divided.
    """
    children, parents = jnp.array(skeleton.bones).T
    known = confidence > 0
    seen = _both_ends(known, skeleton)
    plane, observed = (jnp.where(known[..., None], x, 0.0) for x in (plane, observed))
    found, wanted = (
        jnp.abs(points[..., children, :] - points[..., parents, :])
        for points in (plane, observed)
    )
    weight = jnp.minimum(confidence[..., children], confidence[..., parents])
    return reduction.weighted_mean(jnp.sum((found - wanted) ** 2, -1), weight, seen)


def _both_ends(
    known: Bool[Array, "*batch joints"], skeleton: definitions.Skeleton
) -> Bool[Array, "*batch bones"]:
    children, parents = jnp.array(skeleton.bones).T
    return known[..., children] & known[..., parents]
