"""Groups of joints and frames that are reported apart."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.physics import limits
from unipose_jax.skeleton import definitions

# Thorax, torso and pelvis belong to neither half: ITOP's published "upper" and "lower
# body" leave its torso out (the means of its per-joint figures show it).
_TRUNK = {"thorax", "torso", "pelvis"}
_LOWER = {"hip", "knee", "ankle", "foot"}


def upper_body(skeleton: definitions.Skeleton) -> tuple[int, ...]:
    """Joints of head, neck, shoulders and arms."""
    return _chosen(skeleton, lambda kind: kind not in _TRUNK | _LOWER)


def lower_body(skeleton: definitions.Skeleton) -> tuple[int, ...]:
    """Joints of hips and legs."""
    return _chosen(skeleton, lambda kind: kind in _LOWER)


def root(skeleton: definitions.Skeleton) -> tuple[int, ...]:
    """Joints whose mean is the root of a pose: pelvis, else torso, else both hips.

    Raises:
        ValueError: the skeleton has none of them.
    """
    for names in (("pelvis",), ("torso",), ("left_hip", "right_hip")):
        if set(names) <= set(skeleton.joints):
            return tuple(skeleton.index(name) for name in names)
    raise ValueError(f"skeleton {skeleton.name!r} has no root: {skeleton.joints}")


def within_distance(
    target: Float[Array, "*batch joints 3"],
    *,
    valid: Bool[Array, "*batch joints"],
    near: float,
    far: float,
) -> Bool[Array, "*batch joints"]:
    """Valid joints of the people who stand between two distances from the camera.

    A person's distance is the mean depth (z) of the valid joints.

    Args:
        target: true joints, metres, camera frame.
        valid: joints that are there.
        near: metres, included.
        far: metres, not included.
    """
    depth = jnp.where(valid, target[..., 2], 0.0)
    count = jnp.sum(valid, axis=-1, keepdims=True)
    mean = jnp.sum(depth, axis=-1, keepdims=True) / jnp.maximum(count, 1)
    return valid & (mean >= near) & (mean < far)


def _chosen(skeleton, belongs):
    kinds = [limits.kind(name) for name in skeleton.joints]
    return tuple(joint for joint, kind in enumerate(kinds) if belongs(kind))
