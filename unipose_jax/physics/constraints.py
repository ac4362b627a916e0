"""Constraint violations of poses, in metres or radians, without weights or means.

A violation is zero within the limit. It is differentiable with finite gradients, also
for poses that have collapsed to a point.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from unipose_jax.geometry import arrays, numerics
from unipose_jax.physics import anthropometry, finite_differences
from unipose_jax.skeleton import definitions, kinematics

# Metres. Directions and logarithms of bones shorter than this are softened, so that
# gradients stay below 1 / SOFTENING.
SOFTENING = 0.01
# An upper arm that points behind the frontal plane, by this sine or more, can turn the
# axis of the elbow around, so hyperextension of the elbow counts nothing there.
BEHIND = 0.3


@definitions.accepts_name
def log_bone_lengths(
    xyz: Float[Array, "*batch joints 3"], *, skeleton: definitions.Skeleton
) -> Float[Array, "*batch bones"]:
    r"""Logarithms of bone lengths, softened at zero.

    $\log \sqrt{l^2 + \epsilon^2}$ with $l$ in metres and $\epsilon$ = `SOFTENING`.
    Differences are log-ratios of lengths: scale-free, so nothing is gained by shrinking
    a bone, and gradients are finite where a bone has no length.

    Args:
        xyz: joints, metres, any frame.
        skeleton: names the bones.
    """
    sq_length = jnp.sum(kinematics.bone_vectors(xyz, skeleton=skeleton) ** 2, axis=-1)
    return 0.5 * jnp.log(sq_length + SOFTENING**2)


@definitions.accepts_name
def estimate_stature(
    xyz: Float[arrays.AnyArray, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    weight: Float[arrays.AnyArray, "*batch joints"],
) -> Float[arrays.AnyArray, "*batch"]:
    """Estimates stature from the bone lengths of a pose, metres.

    The weighted median over bones of length / typical ratio to stature. A bone's weight
    is its typical ratio, because ratios of long bones vary less, times the lower weight
    of its two joints.

    Args:
        xyz: joints, metres, any frame.
        skeleton: names the bones.
        weight: of each joint, not negative. `anthropometry.STATURE` where all are 0.

    Returns:
        Stature, cut off from the gradient.
    """
    xp = arrays.namespace(xyz, weight)
    ratios = xp.asarray(anthropometry.bone_ratios(skeleton))
    child, parent = skeleton.bone_ends
    sure = xp.minimum(weight[..., child], weight[..., parent])
    lengths = kinematics.bone_lengths(xyz, skeleton=skeleton)
    guesses = lengths / _like(ratios, lengths)
    median = _weighted_median(guesses, sure * _like(ratios, sure))
    found = xp.where(xp.sum(sure, axis=-1) > 0, median, anthropometry.STATURE)
    return found if xp is np else jax.lax.stop_gradient(found)


@definitions.accepts_name
def bone_ratio_excess(
    xyz: Float[Array, "*batch joints 3"],
    stature: Float[Array, "*batch"],
    *,
    skeleton: definitions.Skeleton,
) -> Float[Array, "*batch bones"]:
    r"""Distance of bone lengths from their plausible range for the stature, metres.

    $\max(l - b H, 0) + \max(a H - l, 0)$ with the ratios $a$ and $b$ of
    `anthropometry.plausible_bone_ratios`.

    Args:
        xyz: joints, metres, any frame.
        stature: $H$, metres.
        skeleton: names the bones.
    """
    lo, hi = anthropometry.plausible_bone_ratios(skeleton)
    lengths = kinematics.bone_lengths(xyz, skeleton=skeleton)
    height = stature[..., None]
    too_long = jnp.maximum(lengths - _like(hi, lengths) * height, 0.0)
    return too_long + jnp.maximum(_like(lo, lengths) * height - lengths, 0.0)


@definitions.accepts_name
def hyperflexion(
    xyz: Float[Array, "*batch joints 3"], *, skeleton: definitions.Skeleton
) -> Float[Array, "*batch hinges"]:
    """Flexion of elbows and knees beyond their range of motion, radians.

    Goes to zero where a segment is shorter than `SOFTENING`, because the direction of
    such a segment is not defined.

    Args:
        xyz: joints, metres, any frame.
        skeleton: `kinematics.hinges(skeleton)` names the hinges.
    """
    upper, lower = _hinge_directions(xyz, skeleton)
    angle = numerics.angle_between(upper, lower)
    excess = jnp.maximum(
        angle - _like(anthropometry.max_flexions(skeleton), angle), 0.0
    )
    sure = numerics.safe_norm(upper) * numerics.safe_norm(lower)
    return excess * jax.lax.stop_gradient(sure)


@definitions.accepts_name
def hyperextension(
    xyz: Float[Array, "*batch joints 3"], *, skeleton: definitions.Skeleton
) -> Float[Array, "*batch hinges"]:
    r"""Extension of elbows and knees beyond `anthropometry.HYPEREXTENSION`, radians.

    With unit segments $u$ above and $w$ below the hinge, the angle $\alpha$ between
    them, the direction $n$ of $u \times w$, and the right axis $r$ of the body, a knee
    bends by $-\alpha\, n \cdot r$: the violation grows with the angle by which a shank
    is folded to the front, up to 160 degrees. Beyond, the side of a folded limb is not
    defined, and `hyperflexion` applies. Elbows, whose axis the shoulder turns, are
    compared by sines: $(u \times w) \cdot r$ with the sine of the limit.
    That is radians for small angles, and always below 1. The body axes take no
    gradient.

    Args:
        xyz: joints, metres, any right-handed frame.
        skeleton: `kinematics.hinges(skeleton)` names the hinges.
    """
    upper, lower = _hinge_directions(xyz, skeleton)
    axes = jax.lax.stop_gradient(kinematics.body_frame(xyz, skeleton=skeleton))
    right, forward = axes[..., None, 0, :], axes[..., None, 2, :]
    sine = jnp.sum(jnp.cross(upper, lower) * right, axis=-1)
    names = [name for name, *_ in kinematics.hinges(skeleton)]
    knees = _like(jnp.asarray(["knee" in name for name in names]), sine)
    bend = jnp.where(knees, -sine * _angle_per_sine(upper, lower), sine)
    limit = anthropometry.HYPEREXTENSION
    allowed = jnp.where(knees, limit, math.sin(limit)).astype(sine.dtype)
    behind = jnp.maximum(-jnp.sum(upper * forward, axis=-1), 0.0)
    judged = jax.lax.stop_gradient(jnp.maximum(1.0 - behind / BEHIND, 0.0))
    judged = jnp.where(knees, 1.0, judged)
    return judged * jnp.maximum(-bend - allowed, 0.0)


def speed_excess(
    xyz: Float[Array, "*batch time joints 3"],
    time: Float[Array, "*batch time"],
    *,
    limit: Float[Array, " joints"],
) -> Float[Array, "*batch time-1 joints"]:
    r"""Length of a joint's step beyond what its largest speed allows, metres.

    $\max(\lVert p' - p \rVert - v h, 0)$ for a step of $h$ seconds.

    Args:
        xyz: joints, metres, any frame at rest.
        time: seconds; mask steps that are not `finite_differences.consecutive`.
        limit: $v$, m/s.
    """
    moved = numerics.safe_norm(jnp.diff(xyz, axis=-3), axis=-1)
    allowed = finite_differences.time_steps(time)[..., None] * _like(limit, moved)
    return jnp.maximum(moved - allowed, 0.0)


def acceleration_excess(
    xyz: Float[Array, "*batch time joints 3"],
    time: Float[Array, "*batch time"],
    *,
    limit: Float[Array, " joints"],
) -> Float[Array, "*batch time-2 joints"]:
    r"""Deviation of a joint beyond what its largest acceleration allows, metres.

    $\max(\lVert e \rVert - a h k / 2, 0)$: $e$ is the
    `finite_differences.line_deviation` from the line through the neighbours in time,
    $h$ and $k$ are the steps before and after.

    Args:
        xyz: joints, metres, any frame at rest.
        time: seconds; mask steps that are not `finite_differences.consecutive`.
        limit: $a$, m/s^2.
    """
    strayed = numerics.safe_norm(finite_differences.line_deviation(xyz, time), axis=-1)
    allowed = finite_differences.half_step_product(time)[..., None] * _like(
        limit, strayed
    )
    return jnp.maximum(strayed - allowed, 0.0)


def _like(vector: arrays.AnyArray, array: arrays.AnyArray) -> arrays.AnyArray:
    """The vector with leading axes of size one, to broadcast against the array."""
    return vector.reshape((1,) * (array.ndim - 1) + vector.shape)


def _unit(vectors: Array) -> Array:
    sq_length = jnp.sum(vectors**2, axis=-1, keepdims=True)
    return vectors / jnp.sqrt(sq_length + SOFTENING**2)


def _hinge_directions(
    xyz: Array, skeleton: definitions.Skeleton
) -> tuple[Array, Array]:
    """Directions above and below each hinge, away from the torso."""
    found = np.asarray([ends for _, *ends in kinematics.hinges(skeleton)])
    above, hinge, below = found.reshape(-1, 3).astype(np.int32).T
    centre = xyz[..., hinge, :]
    return _unit(centre - xyz[..., above, :]), _unit(xyz[..., below, :] - centre)


def _angle_per_sine(a: Array, b: Array) -> Array:
    """Angle between two vectors over its sine: 1 where they are parallel, at most 10.

    Ten is reached at 163 degrees. Beyond, and where a vector vanishes, the direction is
    too uncertain for a larger factor.
    """
    both = numerics.safe_norm(a) * numerics.safe_norm(b)
    size = numerics.safe_norm(jnp.cross(a, b))
    angle = numerics.angle_between(a, b)
    ratio = numerics.safe_divide(both * angle, size, eps=1e-3, fallback=1.0)
    return jnp.clip(ratio, 1.0, 10.0)


def _weighted_median(
    values: arrays.AnyArray, weight: arrays.AnyArray
) -> arrays.AnyArray:
    """Lower weighted median over the last axis."""
    xp = arrays.namespace(values, weight)
    order = xp.argsort(values, axis=-1)
    values = xp.take_along_axis(values, order, axis=-1)
    passed = xp.cumsum(xp.take_along_axis(weight, order, axis=-1), axis=-1)
    index = xp.argmax(passed >= 0.5 * passed[..., -1:], axis=-1, keepdims=True)
    return xp.take_along_axis(values, index, axis=-1)[..., 0]
