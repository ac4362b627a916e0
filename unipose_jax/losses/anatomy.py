"""Soft priors on bodies: symmetric, constant and plausible bones; joint limits.

Each loss gives one penalty per bone, pair of bones or hinge. To let a prior move some
joints more than others, scale their gradients with `numerics.scale_gradient(xyz,
weights)` and average the penalties with the weights that `bone_weights`,
`bone_pair_weights` or `hinge_weights` derive from the same joint weights: a bone or
hinge then counts as much as the joint of it that may move most. A hidden hand (weight
1) is so corrected relative to a visible elbow (weight 0), which stays.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import numerics
from unipose_jax.physics import anthropometry, constraints
from unipose_jax.skeleton import definitions, kinematics

# Joints that give the axes of the body (`kinematics.body_frame`), on either side.
TORSO = ("shoulder", "hip")


@definitions.accepts_name
def symmetry(
    xyz: Float[Array, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.1,
) -> Float[Array, "*batch pairs"]:
    r"""Difference of the lengths of the left and the right bone of a pair.

    Pseudo-Huber penalty of $\log(l_\mathrm{left} / l_\mathrm{right})$. It does not
    change with the size of the pose, so it does not shrink bones. Weigh pairs by
    `bone_pair_weights`.

    Args:
        xyz: predicted joints, metres, any frame.
        skeleton: `skeleton.bone_pairs` gives the pairs. Connections of joints that no
            bone joins give 0 (`physics.anthropometry.bone_rigidity`).
        where: joints that count; default: all. Pairs with others give 0, whatever they
            hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, log-ratio (0.1: 10 %).

    Returns:
        Penalty of each pair, dimensionless.
    """
    lengths = constraints.log_bone_lengths(
        numerics.fill_masked(xyz, where), skeleton=skeleton
    )
    left, right = _pairs(skeleton)
    sq_ratio = (lengths[..., left] - lengths[..., right]) ** 2
    counted = _rigid_bones(where, lengths.shape, skeleton)
    penalty = numerics.pseudo_huber(sq_ratio, delta=delta)
    return numerics.fill_masked(penalty, counted[..., left] & counted[..., right])


@definitions.accepts_name
def bone_constancy(
    xyz: Float[Array, "*batch time joints 3"],
    *,
    skeleton: definitions.Skeleton,
    weights: Float[Array, "*batch time joints"] | None = None,
    where: Bool[Array, "*batch time joints"] | None = None,
    delta: float = 0.1,
) -> Float[Array, "*batch time bones"]:
    r"""Difference of the length of a bone from its mean over the clip.

    Pseudo-Huber penalty of $\log l_t - m$, with $m$ the weighted mean over the clip of
    $\log l_t$, taken as constant. A frame's weight in $m$ is the product of the weights
    of the two joints. Average the penalties with `bone_weights`.

    Args:
        xyz: predicted joints of whole clips, metres, any frame.
        skeleton: names the bones. Connections of joints that no bone joins give 0
            (`physics.anthropometry.bone_rigidity`).
        weights: of each joint in $m$, e.g. the confidence of its keypoint; default: 1.
            Where they are 0 in the whole clip, all frames weigh the same.
        where: joints that count; default: all. Bones of others give 0, whatever they
            hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, log-ratio (0.1: 10 %).

    Returns:
        Penalty of each bone, dimensionless.
    """
    xyz = numerics.fill_masked(xyz, where)
    weights = jnp.ones_like(xyz[..., 0]) if weights is None else weights
    weights = numerics.fill_masked(weights, where)
    lengths = constraints.log_bone_lengths(xyz, skeleton=skeleton)
    known = kinematics.both_ends(where, skeleton=skeleton)
    child, parent = skeleton.bone_ends
    # The small constant serves bones whose weights are 0 in the whole clip.
    frame_weights = weights[..., child] * weights[..., parent] + 1e-6
    frame_weights = numerics.fill_masked(frame_weights, known)
    total = jnp.sum(frame_weights, axis=-2, keepdims=True)
    mean = jnp.sum(frame_weights * lengths, axis=-2, keepdims=True)
    mean = jax.lax.stop_gradient(mean / jnp.maximum(total, 1e-12))
    penalty = numerics.pseudo_huber((lengths - mean) ** 2, delta=delta)
    counted = _rigid_bones(where, lengths.shape, skeleton)
    return numerics.fill_masked(penalty, counted)


@definitions.accepts_name
def bone_ratio(
    xyz: Float[Array, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    stature: Float[Array, "*batch"] | None = None,
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.05,
) -> Float[Array, "*batch bones"]:
    r"""Excess of a bone's length over the plausible ratios to stature.

    Pseudo-Huber penalty of the distance of a length from the interval $[a H, b H]$, in
    metres, where $H$ is the stature and $a$, $b$ the ratios of the bone
    (`physics.anthropometry.plausible_bone_ratios`). Average the penalties with
    `bone_weights(..., rigid=False)`.

    Args:
        xyz: predicted joints, metres, any frame.
        skeleton: names the bones.
        stature: $H$, metres, taken as constant; default: estimated from the bones of
            the pose (`physics.constraints.estimate_stature`).
        where: joints that count; default: all. Bones of others give 0, whatever they
            hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, metres.

    Returns:
        Penalty of each bone, metres.
    """
    xyz = numerics.fill_masked(xyz, where)
    if stature is None:
        ones = jnp.ones_like(xyz[..., 0])
        stature = constraints.estimate_stature(
            xyz, skeleton=skeleton, weight=numerics.fill_masked(ones, where)
        )
    excess = constraints.bone_ratio_excess(
        xyz, jax.lax.stop_gradient(stature), skeleton=skeleton
    )
    penalty = numerics.pseudo_huber(excess**2, delta=delta)
    return numerics.fill_masked(penalty, kinematics.both_ends(where, skeleton=skeleton))


@definitions.accepts_name
def joint_limit(
    xyz: Float[Array, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.2,
) -> Float[Array, "*batch hinges"]:
    """Excess of the bend of elbows and knees over their range of motion.

    Pseudo-Huber penalty of the radians beyond the limits of `physics.anthropometry`:
    `constraints.hyperextension` plus `constraints.hyperflexion`. Average the penalties
    with `hinge_weights`.

    Args:
        xyz: predicted joints, metres, any right-handed frame.
        skeleton: `kinematics.hinges(skeleton)` gives the hinges; it needs hips and
            shoulders.
        where: joints that count; default: all. Hinges of others give 0, whatever they
            hold, NaN included, and no gradient. All hinges of a pose give 0 where a hip
            or shoulder does not count: these give the axes of the body.
        delta: transition from quadratic to linear, radians.

    Returns:
        Penalty of each hinge, radians.
    """
    xyz = numerics.fill_masked(xyz, where)
    excess = constraints.hyperextension(xyz, skeleton=skeleton)
    excess = excess + constraints.hyperflexion(xyz, skeleton=skeleton)
    penalty = numerics.pseudo_huber(excess**2, delta=delta)
    return numerics.fill_masked(penalty, _known_hinges(where, skeleton))


@definitions.accepts_name
def bone_weights(
    weights: Float[Array, "*batch joints"],
    *,
    skeleton: definitions.Skeleton,
    where: Bool[Array, "*batch joints"] | None = None,
    rigid: bool = True,
) -> Float[Array, "*batch bones"]:
    """Weights of bones: the larger weight of the two joints, times the rigidity.

    Args:
        weights: of the joints, not negative.
        skeleton: names the bones.
        where: joints that count; default: all. Bones of others weigh 0.
        rigid: multiply by `physics.anthropometry.bone_rigidity`, for losses that assume
            bones of constant length (`bone_constancy`).
    """
    child, parent = skeleton.bone_ends
    of_bones = jnp.maximum(weights[..., child], weights[..., parent])
    if rigid:
        rigidity = anthropometry.bone_rigidity(skeleton)
        of_bones = of_bones * jnp.broadcast_to(rigidity, of_bones.shape)
    known = kinematics.both_ends(where, skeleton=skeleton)
    return numerics.fill_masked(of_bones, known)


@definitions.accepts_name
def bone_pair_weights(
    weights: Float[Array, "*batch joints"],
    *,
    skeleton: definitions.Skeleton,
    where: Bool[Array, "*batch joints"] | None = None,
) -> Float[Array, "*batch pairs"]:
    """Weights of left-right pairs of bones: the larger of their `bone_weights`.

    Args:
        weights: of the joints, not negative.
        skeleton: `skeleton.bone_pairs` gives the pairs.
        where: joints that count; default: all. Pairs with others weigh 0.
    """
    of_bones = bone_weights(weights, skeleton=skeleton)
    left, right = _pairs(skeleton)
    of_pairs = jnp.maximum(of_bones[..., left], of_bones[..., right])
    known = kinematics.both_ends(where, skeleton=skeleton)
    if known is None:
        return of_pairs
    return numerics.fill_masked(of_pairs, known[..., left] & known[..., right])


@definitions.accepts_name
def hinge_weights(
    weights: Float[Array, "*batch joints"],
    *,
    skeleton: definitions.Skeleton,
    where: Bool[Array, "*batch joints"] | None = None,
) -> Float[Array, "*batch hinges"]:
    """Weights of elbows and knees: the largest weight of the three joints of each.

    Args:
        weights: of the joints, not negative.
        skeleton: `kinematics.hinges(skeleton)` gives the hinges.
        where: joints that count; default: all. Hinges of others weigh 0, and all hinges
            of a pose where a hip or shoulder does not count.
    """
    of_hinges = jnp.max(weights[..., _hinge_joints(skeleton)], axis=-1)
    return numerics.fill_masked(of_hinges, _known_hinges(where, skeleton))


def _pairs(skeleton: definitions.Skeleton) -> np.ndarray:
    return np.asarray(skeleton.bone_pairs, dtype=np.int32).reshape(-1, 2).T


def _hinge_joints(skeleton: definitions.Skeleton) -> np.ndarray:
    return np.asarray([ends for _, *ends in kinematics.hinges(skeleton)], np.int32)


def _rigid_bones(
    where: Array | None, shape: tuple[int, ...], skeleton: definitions.Skeleton
) -> Array:
    """Bones that have both joints and join two parts of the body."""
    rigid = jnp.broadcast_to(anthropometry.bone_rigidity(skeleton) > 0.0, shape)
    known = kinematics.both_ends(where, skeleton=skeleton)
    return rigid if known is None else rigid & known


def _known_hinges(where: Array | None, skeleton: definitions.Skeleton) -> Array | None:
    """Hinges that have all joints, in poses that have hips and shoulders."""
    if where is None:
        return None
    torso = [skeleton.index(f"{s}_{j}") for s in ("left", "right") for j in TORSO]
    known = jnp.all(where[..., _hinge_joints(skeleton)], axis=-1)
    return known & jnp.all(where[..., np.asarray(torso)], axis=-1, keepdims=True)
