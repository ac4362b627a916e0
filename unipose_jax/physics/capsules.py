"""The body as capsules around bones: distances of points from them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import numerics
from unipose_jax.skeleton import definitions


@definitions.accepts_name
def capsule_excess(
    xyz: Float[Array, "*batch joints 3"],
    points: Float[Array, "*batch points 3"],
    *,
    skeleton: definitions.Skeleton,
    radii: Float[Array, " bones"],
    points_valid: Bool[Array, "*batch points"] | None = None,
    where: Bool[Array, "*batch joints"] | None = None,
) -> tuple[Float[Array, "*batch points"], Bool[Array, "*batch points"]]:
    """Distance of each point outside the nearest capsule around a bone, metres.

    Args:
        xyz: joints, metres.
        points: body points, metres, frame of `xyz`.
        skeleton: names the bones.
        radii: of the capsules, metres (`anthropometry.capsule_radii`).
        points_valid: points that count, others may hold anything; default: all.
        where: joints that count; default: all. The bones of others are left out,
            whatever they hold, NaN included.

    Returns:
        The distance, 0 inside, and whether it counts: a valid point, and at least one
        bone.
    """
    if points_valid is None:
        points_valid = jnp.ones_like(points[..., 0], dtype=bool)
    if where is None:
        where = jnp.ones_like(xyz[..., 0], dtype=bool)
    points = numerics.fill_masked(points, points_valid)
    xyz = numerics.fill_masked(xyz, where)
    child, parent = skeleton.bone_ends
    start, end = xyz[..., parent, :], xyz[..., child, :]
    present = where[..., parent] & where[..., child]
    constants = jax.lax.stop_gradient((points, start, end))
    nearest = _nearest_capsule(*constants, radii, present)
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
