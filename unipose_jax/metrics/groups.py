"""Groups of joints and frames that are reported apart."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import numerics
from unipose_jax.physics import limits
from unipose_jax.skeleton import definitions

# Thorax, torso and pelvis belong to neither half: ITOP's published "upper" and "lower
# body" leave its torso out (the means of its per-joint figures show it).
_TRUNK = {"thorax", "torso", "pelvis"}
_LOWER = {"hip", "knee", "ankle", "foot"}


def upper_body(skeleton: definitions.Skeleton) -> tuple[int, ...]:
    """Joints of head, neck, shoulders and arms."""
    return _select_schema_fields(skeleton, lambda kind: kind not in _TRUNK | _LOWER)


def lower_body(skeleton: definitions.Skeleton) -> tuple[int, ...]:
    """Joints of hips and legs."""
    return _select_schema_fields(skeleton, lambda kind: kind in _LOWER)


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


def within_turn(
    target: Float[Array, "*batch joints 3"],
    *,
    valid: Bool[Array, "*batch joints"],
    skeleton: definitions.Skeleton,
    least: float,
    most: float,
) -> Bool[Array, "*batch joints"]:
    """Valid joints of the people who face the camera, or turn away, by an angle.

    A person faces along down x across: from the shoulders to the hips, and from the
    right shoulder to the left one. The angle is that to the way to the camera, seen
    from above the person.

    Args:
        target: true joints, metres, camera frame.
        valid: joints that are there; people without both shoulders and hips turn by
            no angle.
        skeleton: of the joints.
        least: radians, included; 0 faces the camera.
        most: radians, not included; pi shows the back.

    Raises:
        ValueError: the skeleton has no shoulders or hips.
    """
    left_shoulder, right_shoulder, left_hip, right_hip = (
        skeleton.index(f"{side}_{kind}")
        for kind in ("shoulder", "hip")
        for side in ("left", "right")
    )
    needed = np.array([left_shoulder, right_shoulder, left_hip, right_hip])
    known = valid[..., needed].all(axis=-1)
    xyz = jnp.where(known[..., None, None], target, 0.0)
    shoulders = 0.5 * (xyz[..., left_shoulder, :] + xyz[..., right_shoulder, :])
    hips = 0.5 * (xyz[..., left_hip, :] + xyz[..., right_hip, :])
    down = numerics.safe_normalize(hips - shoulders)
    ahead = jnp.cross(down, xyz[..., left_shoulder, :] - xyz[..., right_shoulder, :])
    to_camera = -shoulders
    level = to_camera - jnp.sum(to_camera * down, axis=-1, keepdims=True) * down
    turn = numerics.angle_between(ahead, level)
    return valid & (known & (turn >= least) & (turn < most))[..., None]


def _select_schema_fields(skeleton, belongs):
    kinds = [limits.kind(name) for name in skeleton.joints]
    return tuple(joint for joint, kind in enumerate(kinds) if belongs(kind))
