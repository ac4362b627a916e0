"""Groups of joints and of frames that metrics are reported for."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import numerics
from unipose_jax.skeleton import definitions

# Thorax, torso and pelvis belong to neither half: ITOP's published "upper" and "lower
# body" leave its torso out (the means of its per-joint figures show it).
_UPPER = {
    *("head_top", "head", "nose", "eye", "ear", "neck"),
    *("shoulder", "elbow", "wrist", "hand", "hand_tip", "thumb"),
    *("skull_base", "eye_inner", "eye_outer", "mouth"),
    *("index_knuckle", "pinky_knuckle", "thumb_knuckle"),
}
_LOWER = {"hip", "knee", "ankle", "foot", "heel", "big_toe", "small_toe"}


@definitions.accepts_name
def upper_body(skeleton: definitions.Skeleton) -> tuple[int, ...]:
    """Joints of head, neck, shoulders and arms."""
    return _of_kinds(skeleton, _UPPER)


@definitions.accepts_name
def lower_body(skeleton: definitions.Skeleton) -> tuple[int, ...]:
    """Joints of hips and legs."""
    return _of_kinds(skeleton, _LOWER)


_ROOTS = (("pelvis",), ("torso",), ("left_hip", "right_hip"))


def has_root(skeleton: definitions.Skeleton) -> bool:
    """Whether the skeleton has a `root`: a pelvis, a torso or both hips."""
    return any(set(names) <= set(skeleton.joints) for names in _ROOTS)


@definitions.accepts_name
def root(skeleton: definitions.Skeleton) -> tuple[int, ...]:
    """Joints whose mean is the root of a pose: pelvis, else torso, else both hips.

    Raises:
        ValueError: the skeleton has none of them.
    """
    for names in _ROOTS:
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
    """Mask of the valid joints of people in a range of distances from the camera.

    A person's distance is the mean depth (z) of the valid joints.

    Args:
        target: true joints, metres, camera frame.
        valid: joints that have a truth.
        near: lower end of the range, metres, included.
        far: upper end, metres, excluded.
    """
    depth = jnp.where(valid, target[..., 2], 0.0)
    count = jnp.sum(valid, axis=-1, keepdims=True)
    mean = jnp.sum(depth, axis=-1, keepdims=True) / jnp.maximum(count, 1)
    return valid & (mean >= near) & (mean < far)


@definitions.accepts_name
def within_facing_angle(
    target: Float[Array, "*batch joints 3"],
    *,
    valid: Bool[Array, "*batch joints"],
    skeleton: definitions.Skeleton,
    least: float,
    most: float,
) -> Bool[Array, "*batch joints"]:
    """Mask of the valid joints of people in a range of angles to the camera.

    A person's facing direction is down x across: from the shoulders to the hips, and
    from the right shoulder to the left one. The angle is between this direction and the
    direction to the camera, seen from above the person.

    Args:
        target: true joints, metres, camera frame.
        valid: joints that have a truth; people without both shoulders and hips are in
            no range.
        skeleton: of the joints.
        least: lower end of the range, radians, included; 0 faces the camera.
        most: upper end, radians, excluded; pi shows the back.

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


def _of_kinds(skeleton, kinds):
    names = [definitions.without_side(name) for name in skeleton.joints]
    return tuple(joint for joint, name in enumerate(names) if name in kinds)
