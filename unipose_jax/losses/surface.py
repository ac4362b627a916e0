"""Agreement of joints with the visible surface: its depth, and the point cloud."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import numerics
from unipose_jax.physics import capsules
from unipose_jax.skeleton import definitions


def surface_distance(
    xyz: Float[Array, "*batch joints 3"],
    surface_depth: Float[Array, "*batch joints"],
    *,
    skin_depth: Float[Array, "*#batch joints"],
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.10,
) -> Float[Array, "*batch joints"]:
    r"""Geman-McClure penalty of a joint's depth relative to the surface before it.

    For the joint's depth $z$, the surface $s$ and the skin depth $t$,

    $$ e = z - (s + t), \qquad \ell = \delta \frac{e^2}{e^2 + \delta^2}. $$

    The penalty is below `delta` and saturates: a joint behind another limb, far from
    the surface in front of it, gets almost no gradient.

    Args:
        xyz: predicted joints, metres, depth-camera frame.
        surface_depth: $s$, observed depth at the joint's own pixel, metres; taken as
            constant (see `geometry.depth.surface_depth`).
        skin_depth: $t$, how far joints lie below the skin, metres
            (`physics.skin_depths.typical`); may be learned.
        where: joints with an observed surface; default: all. Others give 0, whatever
            they and `surface_depth` hold, NaN included, and no gradient.
        delta: error at half the full penalty, metres.

    Returns:
        Penalty of each joint, metres. Weigh it by the probability that the joint is
        visible, e.g. the confidence of its keypoint.
    """
    z = numerics.fill_masked(xyz[..., 2], where)
    error = z - _below_skin(surface_depth, skin_depth, where)
    penalty = delta * numerics.geman_mcclure(error**2, scale=delta)
    return numerics.fill_masked(penalty, where)


def surface_hinge(
    xyz: Float[Array, "*batch joints 3"],
    surface_depth: Float[Array, "*batch joints"],
    *,
    min_skin_depth: Float[Array, "*#batch joints"],
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.05,
) -> Float[Array, "*batch joints"]:
    r"""Penalty of a joint in front of the visible surface.

    Every joint, hidden ones too, must satisfy $z \ge s + t_\mathrm{min}$: pseudo-Huber
    penalty of $\max(s + t_\mathrm{min} - z, 0)$.

    Args:
        xyz: predicted joints, metres, depth-camera frame.
        surface_depth: $s$, observed depth at the joint's own pixel, metres; taken as
            constant (see `geometry.depth.surface_depth`).
        min_skin_depth: $t_\mathrm{min}$, metres (`physics.skin_depths.least`).
        where: joints with an observed surface; default: all. Others give 0, whatever
            they and `surface_depth` hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, metres.

    Returns:
        Penalty of each joint, metres.
    """
    z = numerics.fill_masked(xyz[..., 2], where)
    bound = _below_skin(surface_depth, min_skin_depth, where)
    shortfall = jnp.maximum(bound - z, 0.0)
    penalty = numerics.pseudo_huber(shortfall**2, delta=delta)
    return numerics.fill_masked(penalty, where)


@definitions.accepts_name
def coverage(
    xyz: Float[Array, "*batch joints 3"],
    points: Float[Array, "*batch points 3"],
    *,
    skeleton: definitions.Skeleton,
    radii: Float[Array, " bones"],
    points_valid: Bool[Array, "*batch points"] | None = None,
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.10,
) -> Float[Array, "*batch points"]:
    r"""Distance of body points from the nearest capsule around a bone.

    With $e$ the distance of a point from the nearest capsule (0 inside), the penalty is
    $\delta\, e^2 / (e^2 + \delta^2)$ (Geman-McClure): points of other objects get
    little gradient. Costs points x bones; pass a random subset of a large cloud.

    Args:
        xyz: predicted joints, metres.
        points: body points, metres, frame of `xyz`.
        skeleton: names the bones.
        radii: of the capsules, metres (`physics.anthropometry.capsule_radii`).
        points_valid: points that count; default: all. Others give 0, whatever they
            hold, NaN included.
        where: joints that count; default: all. The bones of others are left out,
            whatever they hold. Without any bone, all points give 0.
        delta: distance at half the full penalty, metres.

    Returns:
        Penalty of each point, metres.
    """
    excess, counted = capsules.capsule_excess(
        xyz,
        points,
        skeleton=skeleton,
        radii=radii,
        points_valid=points_valid,
        where=where,
    )
    penalty = delta * numerics.geman_mcclure(excess**2, scale=delta)
    return numerics.fill_masked(penalty, counted)


def _below_skin(surface_depth: Array, skin_depth: Array, where: Array | None) -> Array:
    """The depth s + t of each joint, finite where the surface was not observed."""
    surface = jax.lax.stop_gradient(numerics.fill_masked(surface_depth, where))
    return surface + jnp.broadcast_to(skin_depth, surface.shape)
