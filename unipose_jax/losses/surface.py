"""Agreement of joints with the visible surface: depth of the front, and the cloud."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax import reduction
from unipose_jax.geometry import numerics
from unipose_jax.skeleton import definitions


def surface_loss(
    xyz: Float[Array, "*batch joints 3"],
    surface_depth: Float[Array, "*batch joints"],
    *,
    skin_depth: Float[Array, " joints"],
    confidence: Float[Array, "*batch joints"],
    visible: Bool[Array, "*batch joints"],
    scale: float = 0.10,
) -> reduction.WeightedMean:
    r"""Saturating pull of a joint's depth to a skin depth behind the surface.

    With e = z - (s + t), the penalty is scale e^2 / (e^2 + scale^2), in [0, scale):
    a joint behind another limb, far from the surface in front of it, feels no pull.

    Args:
        xyz: predicted joints, metres, depth-camera frame.
        surface_depth: s, observed depth at the joint's own pixel, metres; taken as
            constant (see `geometry.depth.surface_depth`).
        skin_depth: t, how far joints lie below the skin, metres
            (`physics.limits.skin_depths`); may be learned.
        confidence: belief that the joint is what is seen there; multiplies the penalty.
        visible: False (no surface, no keypoint) removes the joint from both sum and
            weight, whatever it and `surface_depth` hold.
        scale: error of half the full penalty, metres.

    Returns:
        Weighted mean penalty in metres, not yet divided.
    """
    z = jnp.where(visible, xyz[..., 2], 0.0)
    error = z - _below_skin(surface_depth, skin_depth, visible)
    penalty = scale * numerics.saturating(error**2, scale=scale)
    return reduction.weighted_mean(penalty, confidence, visible)


def surface_hinge_loss(
    xyz: Float[Array, "*batch joints 3"],
    surface_depth: Float[Array, "*batch joints"],
    *,
    min_skin_depth: Float[Array, " joints"],
    visible: Bool[Array, "*batch joints"],
    weight: Float[Array, "*batch joints"] | None = None,
    delta: float = 0.05,
) -> reduction.WeightedMean:
    r"""No joint lies in front of the surface: z >= s + t_min.

    Pseudo-Huber of max(s + t_min - z, 0). Holds for hidden joints too.

    Args:
        xyz: predicted joints, metres, depth-camera frame.
        surface_depth: s, observed depth at the joint's own pixel, metres; taken as
            constant (see `geometry.depth.surface_depth`).
        min_skin_depth: t_min, metres (`physics.limits.min_skin_depths`).
        visible: False where no surface was observed; removes the joint from both sum
            and weight, whatever it and `surface_depth` hold.
        weight: multiplies the penalty; None weighs all joints alike.
        delta: transition from quadratic to linear, metres.

    Returns:
        Weighted mean penalty in metres, not yet divided.
    """
    z = jnp.where(visible, xyz[..., 2], 0.0)
    weight = jnp.ones_like(z) if weight is None else weight
    bound = _below_skin(surface_depth, min_skin_depth, visible)
    short = jnp.maximum(bound - z, 0.0)
    penalty = numerics.pseudo_huber(short**2, delta=delta)
    return reduction.weighted_mean(penalty, weight, visible)


def coverage_loss(
    xyz: Float[Array, "*batch joints 3"],
    points: Float[Array, "*batch points 3"],
    *,
    skeleton: definitions.Skeleton,
    radii: Float[Array, " bones"],
    points_valid: Bool[Array, "*batch points"],
    valid: Bool[Array, "*batch joints"] | None = None,
    scale: float = 0.10,
) -> reduction.WeightedMean:
    r"""Every body point lies within a capsule around some bone: the cloud is explained.

    With e the distance of a point from the nearest capsule (0 inside), the penalty is
    scale e^2 / (e^2 + scale^2): points of other things pull little. Costs points x
    bones; pass a random subset of a large cloud.

    Args:
        xyz: predicted joints, metres.
        points: body points, metres, frame of `xyz`.
        skeleton: names the bones.
        radii: of the capsules, metres (`physics.limits.capsule_radii`).
        points_valid: False removes the point, whatever it holds, from sum and weight.
        valid: False removes the bones of a joint, whatever it holds; None is all. Where
            no bone is left, no point counts.
        scale: distance of half the full penalty, metres.

    Returns:
        Mean penalty over points, metres, not yet divided.
    """
    excess, counted = capsule_excess(
        xyz,
        points,
        skeleton=skeleton,
        radii=radii,
        points_valid=points_valid,
        valid=valid,
    )
    penalty = scale * numerics.saturating(excess**2, scale=scale)
    return reduction.weighted_mean(penalty, jnp.ones_like(penalty), counted)


def capsule_excess(
    xyz: Float[Array, "*batch joints 3"],
    points: Float[Array, "*batch points 3"],
    *,
    skeleton: definitions.Skeleton,
    radii: Float[Array, " bones"],
    points_valid: Bool[Array, "*batch points"],
    valid: Bool[Array, "*batch joints"] | None = None,
) -> tuple[Float[Array, "*batch points"], Bool[Array, "*batch points"]]:
    """How far each body point lies outside the nearest capsule around a bone, metres.

    Args:
        xyz: joints, metres.
        points: body points, metres, frame of `xyz`.
        skeleton: names the bones.
        radii: of the capsules, metres (`physics.limits.capsule_radii`).
        points_valid: False for what is no point, whatever it holds.
        valid: False removes the bones of a joint, whatever it holds; None is all.

    Returns:
        The excess, 0 inside, and whether it counts: a valid point, and a bone is left.
    """
    points = jnp.where(points_valid[..., None], points, 0.0)
    valid = jnp.ones_like(xyz[..., 0], dtype=bool) if valid is None else valid
    xyz = jnp.where(valid[..., None], xyz, 0.0)
    child, parent = np.asarray(skeleton.bones, dtype=np.int32).T
    start, end = xyz[..., parent, :], xyz[..., child, :]
    present = valid[..., parent] & valid[..., child]
    capsules = jax.lax.stop_gradient((points, start, end))
    nearest = _nearest_capsule(*capsules, radii, present)
    # Only the nearest bone of each point enters the gradient: a product with 0 and 1
    # picks its ends, which is faster than a gather and far smaller than all pairs.
    start, end = (
        jnp.einsum("...pb,...bi->...pi", nearest, ends, precision="highest")
        for ends in (start, end)
    )
    sq_dist = _sq_distance_to_segment(points, start, end)
    radius = jnp.sum(nearest * jnp.broadcast_to(radii, nearest.shape), axis=-1)
    # The root of a point on a bone has no gradient; it lies inside the capsule anyway.
    excess = jnp.maximum(jnp.sqrt(jnp.maximum(sq_dist, 1e-8)) - radius, 0.0)
    counted = points_valid & jnp.any(present, axis=-1, keepdims=True)
    return excess, counted


def _below_skin(surface_depth: Array, skin_depth: Array, visible: Array) -> Array:
    """The depth s + t of each joint, finite where the surface was not observed."""
    surface = jax.lax.stop_gradient(jnp.where(visible, surface_depth, 0.0))
    return surface + jnp.broadcast_to(skin_depth, surface.shape)


def _nearest_capsule(
    points: Array, start: Array, end: Array, radii: Array, present: Array
) -> Array:
    """One for the capsule nearest to each point, else zero, (*batch, points, bones)."""
    sq_dist = _sq_distance_to_segment(
        points[..., :, None, :], start[..., None, :, :], end[..., None, :, :]
    )
    outside = jnp.sqrt(sq_dist) - jnp.broadcast_to(radii, sq_dist.shape)
    outside = jnp.where(present[..., None, :], outside, jnp.inf)
    return jax.nn.one_hot(jnp.argmin(outside, axis=-1), radii.size, dtype=points.dtype)


def _sq_distance_to_segment(points: Array, start: Array, end: Array) -> Array:
    """Squared distance between points and segments that broadcast against each other.

    Coordinate by coordinate: no array of vectors is stored for all pairs.
    """
    axis = [end[..., i] - start[..., i] for i in range(3)]
    offset = [points[..., i] - start[..., i] for i in range(3)]
    sq_length = axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2
    along = offset[0] * axis[0] + offset[1] * axis[1] + offset[2] * axis[2]
    share = jnp.clip(along / jnp.maximum(sq_length, 1e-8), 0.0, 1.0)
    x, y, z = (o - share * a for o, a in zip(offset, axis, strict=True))
    return x * x + y * y + z * z
