"""Augmentation of labelled people: other sizes, proportions and places on the floor.

All people stand on the floor, where their depth and their height in the picture depend
on each other. A network can then tell the distance of a person whose size it does not
know. People who are enlarged or moved along a line of sight would hide this.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from unipose_jax import skeleton as skeletons
from unipose_jax.geometry import camera, transforms
from unipose_jax.skeleton import kinematics
from unipose_jax.train import settings

_MIN_DEPTH = 0.5  # metres; the smallest depth of a moved person


def change_person(
    key: Key[Array, ""],
    clip: Mapping[str, Array],
    *,
    config: settings.KeypointAugmentation,
    skeleton: skeletons.Skeleton,
) -> dict[str, Array]:
    """Changes the person of a clip whose keypoints all have 3D labels.

    Args:
        key: a `jax.random.key`.
        clip: see `keypoint_augment.augment_clip`. Without `floor` (or where it is NaN)
            the y axis of the camera is taken for the vertical, and people move along
            the line of sight.
        config: `person_scale` and `bone_scale`, the largest factors, less 1, of the
            person and of each pair of bones, in a share `person_scale_prob` of clips;
            `person_rotation`, radians, about the vertical through the middle of the
            clip; `distance_scale`, the largest factor of the distance, less 1;
            `camera_height`, the largest change of the camera's height, metres.
        skeleton: of the joints.

    Returns:
        The same fields. Clips without labels, and people who would come nearer than
        0.5 m, do not change.
    """
    size_key, turn_key, move_key, rise_key, gate_key = jax.random.split(key, 5)
    valid = clip["xyz_valid"]
    known = ~jnp.any((clip["confidence"] > 0) & ~valid)
    xyz = jnp.where(valid[..., None], clip["xyz"], 0.0)
    floor = clip.get("floor", jnp.full((4,), jnp.nan))
    has_floor = jnp.isfinite(floor).all()
    up = jnp.where(has_floor, floor[:3], jnp.array([0.0, -1.0, 0.0]))
    resized = resize(
        size_key,
        xyz,
        valid,
        up,
        person_scale=config.person_scale,
        bone_scale=config.bone_scale,
        skeleton=skeleton,
    )
    chosen = jax.random.bernoulli(gate_key, config.person_scale_prob)
    xyz = jnp.where(chosen, resized, xyz)
    count = jnp.maximum(valid.sum(), 1)
    middle = jnp.where(valid[..., None], xyz, 0.0).sum((0, 1)) / count
    angle = _symmetric(turn_key, config.person_rotation)
    rotation = transforms.rotation_about(up, angle)
    factor = jnp.exp(_symmetric(move_key, float(np.log1p(config.distance_scale))))
    along = jnp.where(has_floor, middle - up * (up @ middle), middle)
    place = middle + (factor - 1.0) * along
    place += up * _symmetric(rise_key, config.camera_height)
    xyz = place[None, None] + jnp.einsum(
        "ij,tnj->tni", rotation, xyz - middle[None, None], precision="highest"
    )
    known &= jnp.where(valid, xyz[..., 2], jnp.inf).min() > _MIN_DEPTH
    uv = camera.uv_from_xyz(xyz, clip["intrinsics"][None])
    changed = valid & known
    return {
        **clip,
        "xyz": jnp.where(changed[..., None], xyz, clip["xyz"]),
        "uv": jnp.where(changed[..., None], uv, clip["uv"]),
    }


def resize(
    key: Key[Array, ""],
    xyz: Float[Array, "frames joints 3"],
    valid: Bool[Array, "frames joints"],
    up: Float[Array, "3"],
    *,
    person_scale: float,
    bone_scale: float,
    skeleton: skeletons.Skeleton,
) -> Float[Array, "frames joints 3"]:
    """Gives a person another size and other proportions, with the same poses.

    Directions of bones do not change. In each frame the lowest joint keeps its height
    above the floor. The path over the floor is scaled like the person.

    Args:
        key: a `jax.random.key`.
        xyz: joints, metres; finite.
        valid: which of them are known. The person does not change if one that has
            children is unknown in a frame with others.
        up: unit vector upwards.
        person_scale: sizes are from [1 / (1 + person_scale), 1 + person_scale].
        bone_scale: the same for each bone; left and right bones get the same factor.
        skeleton: of the joints.
    """
    scale_key, bone_key = jax.random.split(key)
    child, parent = skeleton.bone_ends
    pairs = _bone_pairs(skeleton)
    size = jnp.exp(_symmetric(scale_key, float(np.log1p(person_scale))))
    own = jax.random.uniform(bone_key, (len(child),), minval=-1.0, maxval=1.0)[pairs]
    factors = size * jnp.exp(float(np.log1p(bone_scale)) * own)
    bones = (xyz[:, child] - xyz[:, parent]) * factors[None, :, None]
    present = valid.any(axis=-1)
    weights = present / jnp.maximum(present.sum(), 1)
    root = skeleton.parents.index(-1)
    path = xyz[:, root] - (weights[:, None] * xyz[:, root]).sum(0)[None]
    steps = path - jnp.einsum("ti,i,j->tj", path, up, up, precision="highest")
    start = xyz[:, root] + (size - 1.0) * steps
    paths = kinematics.branches(skeleton)[child].astype(np.float32)
    resized = start[:, None] + jnp.einsum(
        "bj,tbi->tji", paths, bones, precision="highest"
    )
    sunk = _lowest(xyz, valid, up) - _lowest(resized, valid, up)
    sunk = jnp.where(present, sunk, 0.0)
    resized += sunk[:, None, None] * up[None, None]
    complete = valid[:, np.unique(parent)].all(axis=-1) | ~present
    return jnp.where(complete.all(), resized, xyz)


def _symmetric(key, largest: float) -> jax.Array:
    """A number from [-largest, largest]."""
    return largest * jax.random.uniform(key, minval=-1.0, maxval=1.0)


def _lowest(xyz, valid, up) -> jax.Array:
    """Height of the lowest joint of each frame."""
    return jnp.where(valid, (xyz * up[None, None]).sum(-1), jnp.inf).min(axis=-1)


def _bone_pairs(skeleton: skeletons.Skeleton) -> np.ndarray:
    """For each bone, the first of it and its mirror image."""
    child, _ = skeleton.bone_ends
    mirror = np.array(skeleton.mirror)[child]
    places = {int(joint): bone for bone, joint in enumerate(child)}
    return np.array([min(b, places[int(m)]) for b, m in enumerate(mirror)])
