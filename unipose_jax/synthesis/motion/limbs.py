"""Limb kinematics: two-bone inverse kinematics, arm directions, forward kinematics.

Quantities of both sides have an axis of two (right, left). Both entries are computed as
right limbs; `mirror_vectors` and `mirror_rotations` mirror the second one to the left.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from unipose_jax.geometry import numerics
from unipose_jax.synthesis.motion import body_shape as shapes

_MIRROR = np.asarray([[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]], np.float32)

_DOWN = np.asarray([0.0, 1.0, 0.0], np.float32)

# Arm directions are an exponential map about this direction (right arm: outwards, down,
# forward). The map's only singular point, the opposite direction, is out of reach.
_ARM_CENTRE = np.asarray([0.36, 0.28, 0.89], np.float32)
_ARM_CENTRE = _ARM_CENTRE / np.linalg.norm(_ARM_CENTRE)

MIDLINE = ("pelvis", "abdomen", "chest", "neck", "head")
SIDED = ("clavicle", "upper_arm", "forearm", "hand", "thigh", "shank", "foot")
_PARENT_FRAME = {
    "torso": "abdomen",
    "thorax": "chest",
    "neck": "chest",
    "head": "neck",
    "head_top": "head",
    "nose": "head",
    "eye": "head",
    "ear": "head",
    "shoulder": "clavicle",
    "elbow": "upper_arm",
    "wrist": "forearm",
    "hand": "hand",
    "hand_tip": "hand",
    "thumb": "hand",
    "hip": "pelvis",
    "knee": "thigh",
    "ankle": "shank",
    "foot": "foot",
    "pelvis": "pelvis",
}


def _parent_frame_indices() -> np.ndarray:
    """Per joint of `BODY`, the frame of `forward_kinematics` that carries its bone."""
    rows = []
    for name in shapes.BODY.joints:
        base, side = shapes.split_side(name)
        carrier = _PARENT_FRAME[base]
        if carrier in MIDLINE:
            rows.append(MIDLINE.index(carrier))
        else:
            rows.append(len(MIDLINE) + 2 * SIDED.index(carrier) + (side < 0))
    return np.asarray(rows)


def _ancestors() -> np.ndarray:
    """(joints, joints): 1 where the column's bone is on the way to the row's joint."""
    parents = shapes.BODY.parents
    table = np.eye(len(parents), dtype=np.float32)
    for joint in range(len(parents)):
        above = parents[joint]
        while above >= 0:
            table[joint, above] = 1.0
            above = parents[above]
    table[:, shapes.ROOT] = 0.0
    return table


_PARENT_FRAMES = _parent_frame_indices()
_ANCESTORS = _ancestors()


def _match(constant: np.ndarray, values: Array) -> Array:
    """Adds leading axes of size one to a constant, up to the rank of `values`."""
    lead = (1,) * (values.ndim - constant.ndim)
    return jnp.asarray(constant.reshape(lead + constant.shape))


def mirror_vectors(xyz: Float[Array, "*batch 2 3"]) -> Float[Array, "*batch 2 3"]:
    """Negates the lateral coordinate of the left entry of (right, left).

    Applying it twice gives the input.
    """
    return xyz * _match(_MIRROR, xyz)


def mirror_rotations(
    rotations: Float[Array, "*batch 2 3 3"],
) -> Float[Array, "*batch 2 3 3"]:
    """Mirrors the left entry of (right, left) along the lateral axis.

    Applying it twice gives the input.
    """
    return rotations * _match(_MIRROR[:, :, None] * _MIRROR[:, None, :], rotations)


def matmul(
    a: Float[Array, "*#batch 3 3"], b: Float[Array, "*#batch 3 3"]
) -> Float[Array, "*batch 3 3"]:
    """Product of rotations at full precision."""
    return jnp.matmul(a, b, precision="highest")


def rotate(
    rotations: Float[Array, "*batch 3 3"], xyz: Float[Array, "*batch 3"]
) -> Float[Array, "*batch 3"]:
    """Rotates each vector by its matrix at full precision."""
    return jnp.einsum("...ij,...j->...i", rotations, xyz, precision="highest")


def rotations_from_angles(
    angles: Float[Array, "*batch 3"],
) -> Float[Array, "*batch 3 3"]:
    """Rotations of upright body parts: lean right, then bend forward, then turn right.

    R = Ry(yaw) Rx(-pitch) Rz(roll) for angles (yaw, pitch, roll), radians; x right,
    y down, z forward.
    """
    cy, cp, cr = jnp.moveaxis(jnp.cos(angles), -1, 0)
    sy, sp, sr = jnp.moveaxis(jnp.sin(angles), -1, 0)
    entries = (
        *(cy * cr - sy * sp * sr, -sy * sp * cr - cy * sr, sy * cp),
        *(cp * sr, cp * cr, sp),
        *(-cy * sp * sr - sy * cr, sy * sr - cy * sp * cr, cy * cp),
    )
    return jnp.stack(entries, axis=-1).reshape(*angles.shape, 3)


def _transport(
    vector: Float[Array, "*batch 3"],
    source: Float[Array, "*batch 3"],
    target: Float[Array, "*batch 3"],
) -> Float[Array, "*batch 3"]:
    """Turns `vector` by the smallest rotation that takes unit `source` to `target`.

    v' = v + k x v + k x (k x v) / (1 + s.t) with k = s x t; undefined where t = -s.
    """
    axis = jnp.cross(source, target)
    once = jnp.cross(axis, vector)
    cosine = jnp.sum(source * target, axis=-1, keepdims=True)
    return vector + once + jnp.cross(axis, once) / jnp.maximum(1.0 + cosine, 1e-3)


def _arm_basis() -> tuple[np.ndarray, np.ndarray]:
    """Front and sideways directions of the arm at the centre direction."""
    axis = np.cross(_DOWN, _ARM_CENTRE)
    front = np.asarray([0.0, 0.0, 1.0])
    once = np.cross(axis, front)
    front = front + once + np.cross(axis, once) / (1.0 + _DOWN @ _ARM_CENTRE)
    return front.astype(np.float32), np.cross(_ARM_CENTRE, front).astype(np.float32)


_ARM_UP, _ARM_SIDE = _arm_basis()


def arm_chart_from_dirs(dirs: Float[Array, "*batch 3"]) -> Float[Array, "*batch 2"]:
    """Angles (radians; up, sideways) of unit arm directions about the centre one."""
    up = jnp.sum(dirs * _match(_ARM_UP, dirs), axis=-1)
    side = jnp.sum(dirs * _match(_ARM_SIDE, dirs), axis=-1)
    along = jnp.sum(dirs * _match(_ARM_CENTRE, dirs), axis=-1)
    across = jnp.stack([up, side], axis=-1)
    sine = numerics.safe_norm(across, axis=-1)
    angle = jnp.arctan2(sine, along)
    return across * (angle / jnp.maximum(sine, 1e-6))[..., None]


def dirs_from_arm_chart(
    chart: Float[Array, "*batch 2"], *, max_angle: float = 2.6
) -> Float[Array, "*batch 3"]:
    """Unit arm directions from angles about the centre one, at most `max_angle`.

    d = cos|v| c + sin|v| (v1 up + v2 side) / |v|, radians.
    """
    size = numerics.safe_norm(chart, axis=-1)
    # Smooth minimum with a transition of about 0.1 rad, exact well below the bound.
    angle = max_angle - 0.1 * jnp.logaddexp(0.0, (max_angle - size) / 0.1)
    across = chart * (jnp.sin(angle) / jnp.maximum(size, 1e-6))[..., None]
    dirs = jnp.cos(angle)[..., None] * _match(_ARM_CENTRE, chart)
    dirs = dirs + across[..., :1] * _match(_ARM_UP, chart)
    return dirs + across[..., 1:] * _match(_ARM_SIDE, chart)


def arm_front(dirs: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3"]:
    """Unit vectors normal to arm directions, opposite to a relaxed elbow."""
    return _transport(
        jnp.broadcast_to(_match(_ARM_UP, dirs), dirs.shape),
        jnp.broadcast_to(_match(_ARM_CENTRE, dirs), dirs.shape),
        dirs,
    )


def leg_front(
    dirs: Float[Array, "*batch 3"], turn_out: Float[Array, "*batch"]
) -> Float[Array, "*batch 3"]:
    """Unit vectors normal to leg directions, towards the knees."""
    zero = jnp.zeros_like(turn_out)
    front = jnp.stack([jnp.sin(turn_out), zero, jnp.cos(turn_out)], axis=-1)
    down = jnp.broadcast_to(_match(_DOWN, dirs), dirs.shape)
    return _transport(front, down, dirs)


def rotate_about(
    front: Float[Array, "*batch 3"],
    dirs: Float[Array, "*batch 3"],
    angle: Float[Array, "*batch"],
) -> Float[Array, "*batch 3"]:
    """Rotates `front`, normal to unit `dirs`, about `dirs` by `angle` radians."""
    angle = angle[..., None]
    return jnp.cos(angle) * front + jnp.sin(angle) * jnp.cross(dirs, front)


def two_bone_ik(
    dirs: Float[Array, "*batch 3"],
    front: Float[Array, "*batch 3"],
    reach: Float[Array, "*batch"],
    lengths: tuple[Float[Array, "*#batch"], Float[Array, "*#batch"]],
    *,
    bend_to_front: bool,
) -> Float[Array, "*batch bones 3 3"]:
    """Inverse kinematics of a limb of two bones with a given end position.

    The law of cosines gives the angle at the root, so that the limb can only bend
    towards `front` (knees) or away from it (elbows).

    Args:
        dirs: unit vectors from root to end.
        front: unit vectors normal to `dirs`.
        reach: distance from root to end, metres; at most the sum of `lengths`.
        lengths: upper and lower bone, metres.
        bend_to_front: True for knees, False for elbows.

    Returns:
        Frames of the upper and lower bone: y along the bone, x the hinge axis.
    """
    upper, lower = lengths
    cosine = (upper**2 + reach**2 - lower**2) / (2.0 * upper * reach)
    cosine = jnp.clip(cosine, -1.0, 1.0)[..., None]
    sine = jnp.sqrt(jnp.maximum(1.0 - cosine**2, 0.0))
    bend = front if bend_to_front else -front
    first = cosine * dirs + sine * bend
    second = (reach[..., None] * dirs - upper[..., None] * first) / lower[..., None]
    hinge = jnp.cross(dirs, front)[..., None, :]
    along = jnp.stack([first, second], axis=-2)
    return _frame(jnp.broadcast_to(hinge, along.shape), along)


def _frame(
    x_axis: Float[Array, "*batch 3"], y_axis: Float[Array, "*batch 3"]
) -> Float[Array, "*batch 3 3"]:
    """Rotation with the given unit, orthogonal x and y axes as columns."""
    return jnp.stack([x_axis, y_axis, jnp.cross(x_axis, y_axis)], axis=-1)


def blend_frames(
    a: Float[Array, "*batch 3 3"],
    b: Float[Array, "*batch 3 3"],
    weight: Float[Array, "*batch"],
) -> Float[Array, "*batch 3 3"]:
    """Rotation between `a` (weight 0) and `b` (weight 1) by averaging two axes."""
    mixed = a + weight[..., None, None] * (b - a)
    y_axis = mixed[..., 1] / numerics.safe_norm(mixed[..., 1], axis=-1)[..., None]
    x_axis = mixed[..., 0]
    x_axis = x_axis - jnp.sum(x_axis * y_axis, axis=-1, keepdims=True) * y_axis
    return _frame(x_axis / numerics.safe_norm(x_axis, axis=-1)[..., None], y_axis)


def forward_kinematics(
    midline: Float[Array, "frames 5 3 3"],
    sided: Float[Array, "frames 2 7 3 3"],
    pelvis: Float[Array, "frames 3"],
    offsets: Float[Array, "joints 3"],
) -> Float[Array, "frames joints 3"]:
    """Forward kinematics: sums rotated bone offsets (metres) along each joint's chain.

    Args:
        midline: world frames of `MIDLINE`.
        sided: world frames of `SIDED`, right and left, both as right limbs.
        pelvis: position of the root, metres, world frame.
        offsets: `Shape.offsets`; the root's row is ignored.

    Returns:
        Joints of `skeleton.BODY`, metres, world frame.
    """
    frames = pelvis.shape[0]
    sides = mirror_rotations(jnp.swapaxes(sided, 1, 2))
    parts = jnp.concatenate([midline, sides.reshape(frames, -1, 3, 3)], axis=1)
    bones = rotate(
        parts[:, _PARENT_FRAMES],
        jnp.broadcast_to(offsets[None], (frames, *offsets.shape)),
    )
    chains = jnp.einsum("jk,tkc->tjc", _ANCESTORS, bones, precision="highest")
    return chains + pelvis[:, None]
