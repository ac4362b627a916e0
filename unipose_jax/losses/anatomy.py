"""Soft priors on bodies: equal sides, constant and plausible bones, joints that bend.

Every term takes `weight`, one figure per joint in [0, 1]: how far the term may move
that joint. It scales the joint's gradient (`acting`), so that a hidden hand (1) can be
corrected against a well-seen elbow (0) without moving the elbow; a bone or hinge counts
as much as its freest joint.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax import reduction
from unipose_jax.geometry import numerics
from unipose_jax.physics import limits, residuals
from unipose_jax.skeleton import definitions, kinematics


def acting(
    xyz: Float[Array, "*batch joints 3"],
    weight: Float[Array, "*batch joints"] | None,
    valid: Bool[Array, "*batch joints"] | None,
) -> tuple[
    Float[Array, "*batch joints 3"],
    Float[Array, "*batch joints"],
    Bool[Array, "*batch joints"],
]:
    """Joints as a prior sees them: the same places, gradients scaled by the weight.

    Args:
        xyz: joints, metres.
        weight: factor of each joint's gradient, in [0, 1]; None is 1.
        valid: joints that are there; the others become 0, NaN included. None is all.

    Returns:
        Joints, weight and validity, all given.
    """
    weight = jnp.ones_like(xyz[..., 0]) if weight is None else weight
    valid = jnp.ones_like(xyz[..., 0], dtype=bool) if valid is None else valid
    xyz = jnp.where(valid[..., None], xyz, 0.0)
    weight = jax.lax.stop_gradient(jnp.where(valid, weight, 0.0))
    fixed = jax.lax.stop_gradient(xyz)
    return fixed + weight[..., None] * (xyz - fixed), weight, valid


def symmetry_loss(
    xyz: Float[Array, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    weight: Float[Array, "*batch joints"] | None = None,
    valid: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.1,
) -> reduction.WeightedMean:
    """Left and right bone of a pair are equally long.

    Pseudo-Huber of log(l_left / l_right). Scale-free: nothing is gained by shrinking.

    Args:
        xyz: predicted joints, metres, any frame.
        skeleton: names the pairs; each counts as far as it is rigid
            (`physics.limits.rigid_bones`).
        weight: in [0, 1], how far the term may move each joint; None is 1.
        valid: False removes the bones of a joint, whatever it holds; None is all.
        delta: transition from quadratic to linear, log-ratio (0.1: 10 %).

    Returns:
        Weighted mean penalty, dimensionless, not yet divided.
    """
    xyz, weight, valid = acting(xyz, weight, valid)
    left, right = np.asarray(skeleton.bone_pairs, dtype=np.int32).reshape(-1, 2).T
    lengths = residuals.log_bone_lengths(xyz, skeleton=skeleton)
    sq_ratio = (lengths[..., left] - lengths[..., right]) ** 2
    bone_weight, bone_valid = _per_bone(weight, valid, skeleton)
    return reduction.weighted_mean(
        numerics.pseudo_huber(sq_ratio, delta=delta),
        jnp.maximum(bone_weight[..., left], bone_weight[..., right]),
        bone_valid[..., left] & bone_valid[..., right],
    )


def bone_constancy_loss(
    xyz: Float[Array, "*batch time joints 3"],
    *,
    skeleton: definitions.Skeleton,
    confidence: Float[Array, "*batch time joints"] | None = None,
    weight: Float[Array, "*batch time joints"] | None = None,
    valid: Bool[Array, "*batch time joints"] | None = None,
    delta: float = 0.1,
) -> reduction.WeightedMean:
    """A bone keeps its length through a clip.

    Pseudo-Huber of log l_t - m, m being the clip's weighted mean of log l_t, taken as
    constant. A frame speaks for m as much as its two joints are believed together.

    Args:
        xyz: predicted joints of whole clips, metres, any frame.
        skeleton: names the bones; each counts as far as it is rigid
            (`physics.limits.rigid_bones`).
        confidence: belief in each joint, for m; None is 1. Where a bone is believed
            nowhere in the clip, all its frames speak alike.
        weight: in [0, 1], how far the term may move each joint; None is 1.
        valid: False removes the bones of a joint, whatever it holds; None is all.
        delta: transition from quadratic to linear, log-ratio (0.1: 10 %).

    Returns:
        Weighted mean penalty, dimensionless, not yet divided.
    """
    xyz, weight, valid = acting(xyz, weight, valid)
    lengths = residuals.log_bone_lengths(xyz, skeleton=skeleton)
    bone_weight, bone_valid = _per_bone(weight, valid, skeleton)
    child, parent = np.asarray(skeleton.bones, dtype=np.int32).T
    believed = jnp.ones_like(weight) if confidence is None else confidence
    # A trace of weight for every frame serves bones that are believed nowhere.
    sure = believed[..., child] * believed[..., parent] + 1e-6
    sure = jnp.where(bone_valid, sure, 0.0)
    total = jnp.sum(sure, axis=-2, keepdims=True)
    mean = jnp.sum(sure * lengths, axis=-2, keepdims=True)
    mean = jax.lax.stop_gradient(mean / jnp.maximum(total, 1e-12))
    penalty = numerics.pseudo_huber((lengths - mean) ** 2, delta=delta)
    return reduction.weighted_mean(penalty, bone_weight, bone_valid)


def bone_ratio_loss(
    xyz: Float[Array, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    stature: Float[Array, "*batch"] | None = None,
    weight: Float[Array, "*batch joints"] | None = None,
    valid: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.05,
) -> reduction.WeightedMean:
    """Bones stay within plausible ratios of stature.

    Pseudo-Huber of how far a length is outside [lo H, hi H], in metres
    (`physics.limits.plausible_bone_ratios`).

    Args:
        xyz: predicted joints, metres, any frame.
        skeleton: names the bones.
        stature: H, metres, taken as constant; None estimates it from the pose's own
            bones (`physics.residuals.stature`).
        weight: in [0, 1], how far the term may move each joint; None is 1.
        valid: False removes the bones of a joint, whatever it holds; None is all.
        delta: transition from quadratic to linear, metres.

    Returns:
        Weighted mean penalty in metres, not yet divided.
    """
    xyz, weight, valid = acting(xyz, weight, valid)
    if stature is None:
        believed = valid.astype(xyz.dtype)
        stature = residuals.stature(xyz, skeleton=skeleton, weight=believed)
    excess = residuals.bone_ratio(
        xyz, jax.lax.stop_gradient(stature), skeleton=skeleton
    )
    child, parent = np.asarray(skeleton.bones, dtype=np.int32).T
    return reduction.weighted_mean(
        numerics.pseudo_huber(excess**2, delta=delta),
        jnp.maximum(weight[..., child], weight[..., parent]),
        valid[..., child] & valid[..., parent],
    )


def joint_limit_loss(
    xyz: Float[Array, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    weight: Float[Array, "*batch joints"] | None = None,
    valid: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.2,
) -> reduction.WeightedMean:
    """Knees and elbows neither bend the wrong way nor fold through themselves.

    Pseudo-Huber of the radians by which a hinge breaks `physics.limits`
    (`residuals.hyperextension` plus `residuals.overflexion`).

    Args:
        xyz: predicted joints, metres, any right-handed frame.
        skeleton: names the hinges; one without hips and shoulders cannot be judged.
        weight: in [0, 1], how far the term may move each joint; None is 1.
        valid: False removes the hinges of a joint, whatever it holds, and all hinges
            where it is a hip or shoulder, which give the body's axes. None is all.
        delta: transition from quadratic to linear, radians.

    Returns:
        Weighted mean penalty in radians, not yet divided.
    """
    xyz, weight, valid = acting(xyz, weight, valid)
    broken = residuals.hyperextension(xyz, skeleton=skeleton)
    broken = broken + residuals.overflexion(xyz, skeleton=skeleton)
    joints = np.asarray([ends for _, *ends in kinematics.hinges(skeleton)], np.int32)
    torso = [skeleton.index(f"{s}_{j}") for s in ("left", "right") for j in TORSO]
    judged = jnp.all(valid[..., joints], axis=-1)
    judged &= jnp.all(valid[..., np.asarray(torso)], axis=-1, keepdims=True)
    return reduction.weighted_mean(
        numerics.pseudo_huber(broken**2, delta=delta),
        jnp.max(weight[..., joints], axis=-1),
        judged,
    )


# Joints that give the body's axes (`kinematics.body_frame`), on either side.
TORSO = ("shoulder", "hip")


def _per_bone(
    weight: Array, valid: Array, skeleton: definitions.Skeleton
) -> tuple[Array, Array]:
    """Weight and validity of bones; those that are not rigid weigh less or nothing."""
    child, parent = np.asarray(skeleton.bones, dtype=np.int32).T
    rigid = limits.rigid_bones(skeleton)
    bone_weight = jnp.maximum(weight[..., child], weight[..., parent])
    bone_weight = bone_weight * jnp.broadcast_to(rigid, bone_weight.shape)
    return bone_weight, valid[..., child] & valid[..., parent]
