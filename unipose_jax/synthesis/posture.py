"""From the channels of a posture to joints: trunk frames, arms, legs and the floor."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from unipose_jax.geometry import numerics
from unipose_jax.synthesis import limbs
from unipose_jax.synthesis import shape as shapes

_INDEX = {name: shapes.BODY.index(name) for name in shapes.BODY.joints}


class Pose(NamedTuple):
    """Posture curves of a clip. Sided axes are (right, left), both as on the right."""

    arms: Array  # [frames 2 12] chart up and side (rad), reach, elbow (rad), ...
    trunk: Array  # [frames 10] `actions.TRUNK_CHANNELS`
    legs: Array  # [frames 15] `actions.LEG_CHANNELS`, then right and left foot
    lift: Array  # [frames 2] height of the feet off the floor, leg lengths
    step: Array  # [frames 2 2] displacement of the feet right and forward, metres
    heel: Array  # [frames 2] heel raise on top of that in `legs`, radians
    air: Array  # [frames] height of a jump, metres
    root: Array  # [frames 3] place on the floor, metres, world frame
    yaw: Array  # [frames] heading, radians; 0 faces +z, positive turns right


def arm_chart(arms: Float[Array, "keys 2 12"]) -> Float[Array, "keys 2 12"]:
    """Turns hand targets (lateral, down, forward) into (angle up, angle side, reach).

    Targets are in arm lengths; those beyond a straight arm keep their direction.
    """
    target = arms[..., :3]
    reach = numerics.safe_norm(target)
    dirs = target / jnp.maximum(reach, 1e-3)[..., None]
    chart = limbs.arm_chart_from_dirs(dirs)
    return jnp.concatenate([chart, reach[..., None], arms[..., 3:]], axis=-1)


def place(shape: shapes.Shape, pose: Pose) -> Float[Array, "frames joints 3"]:
    """Joints (metres, world frame) of a body in a posture, standing on the floor."""
    midline, pelvis_from_heading = _trunk_frames(pose)
    arms = _arm_frames(shape, pose, midline)
    feet = _foot_targets(shape, pose)
    pelvis = _pelvis_place(shape, pose, pelvis_from_heading, feet)
    legs = _leg_frames(shape, pose, pelvis_from_heading, pelvis, feet)
    heading = _yaw_frames(pose.yaw)
    sided = arms | {
        name: limbs.matmul(_both(heading), frame) for name, frame in legs.items()
    }
    parts = limbs.stack_frames(midline, sided)
    world = limbs.rotate(heading, pelvis)
    xyz = limbs.place_joints(parts, world, shape.offsets)
    return _onto_floor(shape, pose, xyz, parts) + pose.root[:, None]


def _yaw_frames(yaw: Float[Array, " frames"]) -> Float[Array, "frames 3 3"]:
    """Rotations about the vertical, radians."""
    return limbs.rotation_from_angles(yaw, 0.0 * yaw, 0.0 * yaw)


def _both(frames: Float[Array, "frames 3 3"]) -> Float[Array, "frames 2 3 3"]:
    """A midline frame as the right and the left limb see it."""
    pair = jnp.broadcast_to(frames[:, None], (frames.shape[0], 2, 3, 3))
    return limbs.mirror_rotations(pair)


def _trunk_frames(pose: Pose) -> tuple[dict[str, Array], Array]:
    """World frames of the midline parts, and the pelvis in the heading's frame."""
    pitch, roll, yaw, bend, tilt, twist, nod, lean, look, _ = jnp.moveaxis(
        pose.trunk, -1, 0
    )
    pitch, bend = jnp.clip(pitch, -0.5, 1.5), jnp.clip(bend, -0.6, 1.2)
    tilt, twist = jnp.clip(tilt, -0.6, 0.6), jnp.clip(twist, -0.8, 0.8)
    # Whoever bends forward raises the head to see ahead.
    nod = jnp.clip(nod - 0.35 * (pitch + bend), -0.8, 0.8)
    look, lean = jnp.clip(look, -1.2, 1.2), jnp.clip(lean, -0.5, 0.5)
    pelvis = limbs.rotation_from_angles(yaw, pitch, roll)
    upright = _yaw_frames(pose.yaw)
    parts = {"pelvis": limbs.matmul(upright, pelvis)}
    for name, share in (("abdomen", 0.5), ("chest", 1.0)):
        local = limbs.rotation_from_angles(share * twist, share * bend, share * tilt)
        parts[name] = limbs.matmul(parts["pelvis"], local)
    for name, share in (("neck", 0.5), ("head", 1.0)):
        local = limbs.rotation_from_angles(share * look, share * nod, share * lean)
        parts[name] = limbs.matmul(parts["chest"], local)
    return parts, pelvis


def _arm_frames(
    shape: shapes.Shape, pose: Pose, midline: dict[str, Array]
) -> dict[str, Array]:
    """World frames of clavicle, upper arm, forearm and hand, as on the right."""
    chest = _both(midline["chest"])
    base = _arm_base(pose)
    upper, lower = _bone(shape, "elbow"), _bone(shape, "wrist")
    length = upper + lower
    dirs = limbs.dirs_from_arm_chart(pose.arms[..., :2])
    reach = length * jnp.clip(pose.arms[..., 2], 0.36, 0.995)
    wrist = limbs.rotate_back(chest, limbs.rotate(base, dirs * reach[..., None]))
    wrist = _outside_torso(shape, wrist)
    reach = jnp.clip(numerics.safe_norm(wrist), 0.34 * length, 0.995 * length)
    dirs = numerics.safe_normalize(limbs.rotate_back(base, limbs.rotate(chest, wrist)))
    elbow = jnp.clip(pose.arms[..., 3], -0.3, 1.7)
    front = limbs.turn_about(limbs.arm_front(dirs), dirs, -elbow)
    frames = limbs.bend_chain(dirs, front, reach, (upper, lower), bend_to_front=False)
    up = 0.3 * jnp.maximum(0.25 - wrist[..., 1] / length, 0.0)
    forward = 0.2 * wrist[..., 2] / length
    clavicle = limbs.rotation_from_angles(-forward, 0.0 * up, -up)
    pronation, flexion, deviation = jnp.moveaxis(pose.arms[..., 9:], -1, 0)
    hand = limbs.rotation_from_angles(
        jnp.clip(pronation, -1.4, 1.4),
        jnp.clip(flexion, -0.8, 0.8),
        jnp.clip(deviation, -0.4, 0.4),
    )
    forearm = limbs.matmul(base, frames[1])
    return {
        "clavicle": limbs.matmul(chest, clavicle),
        "upper_arm": limbs.matmul(base, frames[0]),
        "forearm": forearm,
        "hand": limbs.matmul(forearm, hand),
    }


def _arm_base(pose: Pose) -> Float[Array, "frames 2 3 3"]:
    """Frames that arm directions refer to: the chest, less bent where arms hang."""
    pitch, roll, yaw, bend, tilt, twist = jnp.moveaxis(pose.trunk[:, :6], -1, 0)
    hang = jnp.clip(pose.trunk[:, 9:], 0.0, 1.0) * jnp.clip(pose.arms[..., 8], 0.0, 1.0)
    keep = 1.0 - hang
    turn = (pose.yaw + yaw + twist)[:, None] * jnp.ones_like(keep)
    frames = limbs.rotation_from_angles(
        turn, keep * (pitch + bend)[:, None], keep * (roll + tilt)[:, None]
    )
    return limbs.mirror_rotations(frames)


def _outside_torso(
    shape: shapes.Shape, wrist: Float[Array, "frames 2 3"]
) -> Float[Array, "frames 2 3"]:
    """Pushes wrists (metres from the shoulder, chest frame) out of trunk and head.

    The trunk is an elliptic cylinder; above the shoulders it narrows to the head.
    """
    scale = shape.stature / shapes.REFERENCE_STATURE
    centre = _shoulder_lateral(shape)
    below = jnp.clip(0.5 + wrist[..., 1] / (0.12 * scale), 0.0, 1.0)
    half = scale * jnp.stack([0.11 + 0.10 * below, 0.13 + 0.04 * below], axis=-1)
    across = jnp.stack([wrist[..., 0] + centre, wrist[..., 2] - 0.02 * scale], -1)
    ratio = numerics.safe_norm(across / half)
    # Smooth maximum of the ratio and one; only between the hips and the head's top.
    pushed = (ratio**6 + 1.0) ** (1.0 / 6.0) / jnp.maximum(ratio, 0.05)
    inside = jnp.abs(wrist[..., 1] - 0.1 * scale) / (0.5 * scale)
    near = jnp.clip(4.0 * (1.0 - inside), 0.0, 1.0)
    grow = 1.0 + near * (pushed - 1.0)
    lateral = across[..., 0] * grow - centre
    forward = across[..., 1] * grow + 0.02 * scale
    return jnp.stack([lateral, wrist[..., 1], forward], axis=-1)


def _foot_targets(shape: shapes.Shape, pose: Pose) -> tuple[Array, Array, Array]:
    """Ankles (metres, heading's frame, as on the right), frames and lift of feet."""
    leg = _bone(shape, "knee") + _bone(shape, "ankle")
    feet = pose.legs[:, 3:].reshape(-1, 2, 6)
    out, forward, _, toe_out, heel, _ = jnp.moveaxis(feet, -1, 0)
    lift = leg * pose.lift
    heel = jnp.clip(heel + pose.heel, -0.35, 1.2)
    frames = limbs.rotation_from_angles(jnp.clip(toe_out, -0.3, 0.9), heel, 0.0 * heel)
    right = pose.step[..., 0] * jnp.asarray([[1.0, -1.0]])
    sole = shapes.sole_drop(shape)
    ball = _offset(shape, "foot")
    hip = _offset(shape, "hip")
    pivot = jnp.stack(
        [
            hip[..., 0] + leg * out + right,
            -(sole - ball[..., 1]) - lift,
            leg * forward + ball[..., 2] + pose.step[..., 1],
        ],
        axis=-1,
    )
    ankle = pivot - limbs.rotate(frames, jnp.broadcast_to(ball, pivot.shape))
    return ankle, frames, lift


def _pelvis_place(
    shape: shapes.Shape, pose: Pose, pelvis_frame: Array, feet: tuple
) -> Float[Array, "frames 3"]:
    """Pelvis over the feet (metres, heading's frame), as high as both legs allow."""
    ankle, _, _ = feet
    leg = _bone(shape, "knee") + _bone(shape, "ankle")
    height, right, forward = jnp.moveaxis(pose.legs[:, :3], -1, 0)
    bend = jnp.clip(pose.trunk[:, 0] + 0.7 * pose.trunk[:, 3], -0.5, 1.8)
    backward = 0.16 * jnp.sin(bend)  # keeps the centre of mass over the feet
    across = leg[0, 0] * jnp.stack(
        [right, 0.0 * right, forward - backward], axis=-1
    )
    hips = _hips(shape, pelvis_frame)
    planar = limbs.mirror_vectors(across[:, None] + hips) - ankle
    sq = planar[..., 0] ** 2 + planar[..., 2] ** 2
    rise = jnp.sqrt(jnp.maximum((0.99 * leg) ** 2 - sq, (0.3 * leg) ** 2))
    highest = rise - ankle[..., 1] + hips[..., 1]
    smooth = 0.02
    lowest = jnp.sum(jnp.exp((highest[:, :1] - highest) / smooth), axis=-1)
    reachable = highest[:, 0] - smooth * jnp.log(lowest)
    return across.at[:, 1].set(-jnp.clip(height, 0.3, 1.0) * reachable)


def _leg_frames(
    shape: shapes.Shape, pose: Pose, pelvis_frame: Array, pelvis: Array, feet: tuple
) -> dict[str, Array]:
    """Frames of thigh, shank and foot in the heading's frame, as on the right."""
    ankle, standing, lift = feet
    upper, lower = _bone(shape, "knee"), _bone(shape, "ankle")
    hips = limbs.mirror_vectors(pelvis[:, None] + _hips(shape, pelvis_frame))
    chain = ankle - hips
    reach = jnp.clip(
        numerics.safe_norm(chain), 0.33 * (upper + lower), 0.997 * (upper + lower)
    )
    dirs = numerics.safe_normalize(chain)
    foot = pose.legs[:, 3:].reshape(-1, 2, 6)
    front = limbs.leg_front(dirs, 0.6 * foot[..., 3] + foot[..., 5])
    thigh, shank = limbs.bend_chain(
        dirs, front, reach, (upper, lower), bend_to_front=True
    )
    # A lifted foot follows the shank, slightly stretched.
    stretch = limbs.rotation_from_angles(0.0 * lift, 0.0 * lift + 0.35, 0.0 * lift)
    follow = jnp.clip(lift / (0.15 * (upper + lower)), 0.0, 1.0)
    follow = follow**2 * (3.0 - 2.0 * follow)
    loose = limbs.matmul(shank, stretch)
    return {
        "thigh": thigh,
        "shank": shank,
        "foot": limbs.blend_frames(standing, loose, follow),
    }


def _onto_floor(
    shape: shapes.Shape, pose: Pose, xyz: Array, parts: Array
) -> Float[Array, "frames joints 3"]:
    """Shifts the body vertically so that its lowest point is where it should be."""
    low = xyz[:, _LOW, 1] + _low_margin(shape)[None]
    heels = limbs.rotate(
        parts[:, -2:],
        jnp.broadcast_to(_heel(shape), (xyz.shape[0], 2, 3)),
    )
    heels = heels[..., 1] + xyz[:, _ANKLES, 1]
    lowest = jnp.max(jnp.concatenate([low, heels], axis=-1), axis=-1)
    leg = _bone(shape, "knee") + _bone(shape, "ankle")
    shift = -(pose.air + jnp.min(leg * pose.lift, axis=-1)) - lowest
    return xyz.at[..., 1].add(shift[:, None])


_LOW = np.asarray(
    [_INDEX[f"{side}_{joint}"] for joint in ("foot", "knee") for side in ("right", "left")]
)
_ANKLES = np.asarray([_INDEX["right_ankle"], _INDEX["left_ankle"]])


def _low_margin(shape: shapes.Shape) -> Float[Array, " points"]:
    """Distance from the joints in `_LOW` down to the skin, metres."""
    scale = shape.stature / shapes.REFERENCE_STATURE
    return scale * jnp.asarray([0.03, 0.03, 0.05, 0.05])


def _heel(shape: shapes.Shape) -> Float[Array, "1 1 3"]:
    """The heel's skin from the ankle, foot frame, metres."""
    scale = shape.stature / shapes.REFERENCE_STATURE
    return (scale * jnp.asarray([0.0, 0.075, -0.05])).reshape(1, 1, 3)


def _offset(shape: shapes.Shape, joint: str) -> Float[Array, "1 2 3"]:
    """Rest offsets of a sided joint as on the right, (right, left), metres."""
    index = np.asarray([_INDEX[f"right_{joint}"], _INDEX[f"left_{joint}"]])
    return limbs.mirror_vectors(shape.offsets[index][None])


def _bone(shape: shapes.Shape, joint: str) -> Float[Array, "1 2"]:
    """Lengths of the bones to a sided joint, (right, left), metres."""
    return numerics.safe_norm(_offset(shape, joint))


def _hips(shape: shapes.Shape, pelvis_frame: Array) -> Float[Array, "frames 2 3"]:
    """Vectors from pelvis to right and left hip, metres, heading's frame."""
    offsets = limbs.mirror_vectors(_offset(shape, "hip"))
    frames = pelvis_frame[:, None]
    return limbs.rotate(
        jnp.broadcast_to(frames, (frames.shape[0], 2, 3, 3)),
        jnp.broadcast_to(offsets, (frames.shape[0], 2, 3)),
    )


def _shoulder_lateral(shape: shapes.Shape) -> Float[Array, "1 2"]:
    """Distance of the shoulders from the midline, metres."""
    return _offset(shape, "shoulder")[..., 0]
