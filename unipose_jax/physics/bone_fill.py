"""Joints whose depth is unknown, from their line of sight and the length of a bone."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.physics import anthropometry
from unipose_jax.skeleton import definitions


def stature_from_bones(
    xyz: Float[Array, "*batch joints 3"],
    valid: Bool[Array, "*batch joints"],
    *,
    skeleton: definitions.Skeleton,
) -> Float[Array, ""]:
    """Median over all bones of length / typical share of stature, metres.

    Args:
        xyz: joints, metres.
        valid: joints that are known.
        skeleton: names the joints.

    Returns:
        Stature, metres; `anthropometry.STATURE` where no bone is known.
    """
    child, parent = skeleton.bone_ends
    known = valid[..., child] & valid[..., parent]
    apart = jnp.where(known[..., None], xyz[..., child, :] - xyz[..., parent, :], 1.0)
    ratio = anthropometry.bone_ratios(skeleton)
    rigid = anthropometry.bone_rigidity(skeleton) > 0.5
    length = jnp.sqrt(jnp.sum(apart**2, axis=-1))
    stature = length / jnp.broadcast_to(ratio, length.shape)
    stature = jnp.where(known & jnp.broadcast_to(rigid, known.shape), stature, jnp.nan)
    found = jnp.nanmedian(stature)
    return jnp.where(jnp.isfinite(found), found, anthropometry.STATURE)


def fill_from_bones(
    xyz: Float[Array, "*batch joints 3"],
    valid: Bool[Array, "*batch joints"],
    ray_dirs: Float[Array, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    where: Bool[Array, "*batch joints"],
    stature: Float[Array, ""] | float = anthropometry.STATURE,
) -> tuple[Float[Array, "*batch joints 3"], Bool[Array, "*batch joints"]]:
    r"""Puts joints of unknown depth on their rays, one bone from a known neighbour.

    With neighbour $q$, unit ray $d$ and bone length $L$, the joint is $t d$ with

    $$ t = d \cdot q + \sqrt{\max(L^2 - \lVert q - (d \cdot q)\, d \rVert^2, 0)}: $$

    the further of the two places at that distance, because a joint without depth is
    mostly hidden and lies behind what hides it, or the nearest point of the ray where
    no place is at that distance. Joints are filled outwards from the known ones along
    the rigid bones of the skeleton.

    Args:
        xyz: joints, metres, frame of the camera of the rays.
        valid: joints that are known.
        ray_dirs: unit vectors from the camera centre to the keypoints.
        skeleton: names the joints.
        where: joints that have a keypoint; others stay unknown.
        stature: metres; gives the bone lengths.

    Returns:
        Joints, metres, and which are known now.
    """
    xyz, valid = jnp.asarray(xyz), jnp.asarray(valid)
    lengths = stature * anthropometry.bone_ratios(skeleton)
    rigid = anthropometry.bone_rigidity(skeleton) > 0.5

    def fill_neighbours(_, state):
        xyz, valid = state
        before = valid
        for bone, ends in enumerate(skeleton.bones):
            for joint, other in (ends, ends[::-1]):
                place = _on_ray(
                    xyz[..., other, :], ray_dirs[..., joint, :], lengths[bone]
                )
                new = ~valid[..., joint] & before[..., other] & where[..., joint]
                new = new & rigid[bone]
                moved = jnp.where(new[..., None], place, xyz[..., joint, :])
                xyz = xyz.at[..., joint, :].set(moved)
                valid = valid.at[..., joint].set(valid[..., joint] | new)
        return xyz, valid

    # Each pass fills joints that are one more bone away from the known ones.
    passes = skeleton.num_joints
    return jax.lax.fori_loop(0, passes, fill_neighbours, (xyz, valid))


def _on_ray(center: Array, direction: Array, length: Array) -> Array:
    """The further point of a ray at a distance from a centre, or the nearest to it."""
    along = jnp.sum(center * direction, axis=-1, keepdims=True)
    aside = center - along * direction
    rest = length**2 - jnp.sum(aside**2, axis=-1, keepdims=True)
    return (along + jnp.sqrt(jnp.maximum(rest, 0.0))) * direction
