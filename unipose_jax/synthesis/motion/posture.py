"""Joints from posture channels: trunk, legs, arms and floor contact.

Arrays of both sides are (right, left), both computed as right limbs; see `limbs`.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from unipose_jax.geometry import numerics
from unipose_jax.synthesis.motion import body_shape as shapes
from unipose_jax.synthesis.motion import limbs


class Pose(NamedTuple):
    """Posture curves of a clip."""

    arms: Array  # [frames 2 12] chart up and side (rad), reach, elbow (rad), ...
    trunk: Array  # [frames 12] `actions.TRUNK_CHANNELS`
    legs: Array  # [frames 15] `actions.LEG_CHANNELS`, then right and left foot
    lift: Array  # [frames 2] height of the feet off the floor, leg lengths
    step: Array  # [frames 2 2] displacement of the feet right and forward, metres
    heel: Array  # [frames 2] heel raise in addition to that in `legs`, radians
    gait: Array  # [frames] 1: pelvis height follows the gait, not the legs' reach
    air: Array  # [frames] height of a jump, metres
    root: Array  # [frames 3] place on the floor, metres, world frame
    yaw: Array  # [frames] heading, radians; 0 faces +z, positive turns right


# Anatomical ranges (radians; lowest, highest) in the order of `Pose.trunk`.
_TRUNK_RANGE = np.asarray(
    [
        (-0.5, 1.5),
        (-0.4, 0.4),
        (-0.6, 0.6),
        (-0.6, 1.2),
        (-0.6, 0.6),
        (-0.8, 0.8),
        (-0.9, 1.1),
        (-0.6, 0.6),
        (-1.2, 1.2),
        (0.0, 1.0),
        (-1.8, 1.8),
        (-3.2, 3.2),
    ],
    np.float32,
)
_ELBOW_RANGE = (-0.4, 1.8)
_HAND_RANGE = np.asarray([(-1.4, 1.4), (-0.8, 0.8), (-0.4, 0.4)], np.float32)
_TOE_OUT_RANGE = (-0.4, 1.0)
_HEEL_RANGE = (-0.35, 1.2)
# Shortest and longest distance of a limb's ends, as a share of its length: elbows bend
# to about 140 degrees, knees to about 145.
_ARM_REACH = (0.34, 0.999)
_LEG_REACH = (0.31, 0.999)


def arm_chart(arms: Float[Array, "keys 2 12"]) -> Float[Array, "keys 2 12"]:
    """Converts hand targets (lateral, down, forward) to (angle up, angle side, reach).

    Targets are in arm lengths; targets out of reach keep their direction.
    """
    target = arms[..., :3]
    reach = numerics.safe_norm(target)
    dirs = target / jnp.maximum(reach, 1e-3)[..., None]
    chart = limbs.arm_chart_from_dirs(dirs)
    return jnp.concatenate([chart, reach[..., None], arms[..., 3:]], axis=-1)


def joints_from_posture(
    shape: shapes.Shape, pose: Pose
) -> Float[Array, "frames joints 3"]:
    """Joints (metres, world frame) of a body in a posture, standing on the floor."""
    trunk = jnp.clip(pose.trunk, *jnp.moveaxis(jnp.asarray(_TRUNK_RANGE)[None], -1, 0))
    dirs = limbs.dirs_from_arm_chart(pose.arms[..., :2])
    turns = _local_rotations(pose, trunk, dirs)
    heading, pelvis_turn = turns[:, 0], turns[:, 1]
    midline = _midline_frames(turns)
    legs, pelvis = _legs(shape, pose, trunk, pelvis_turn, turns[:, 7:9])
    pelvis = limbs.rotate(heading, pelvis)
    shoulders = _shoulder_heights(shape, midline, pelvis)
    arms = _arms(shape, pose, midline[:, 2], shoulders, turns[:, 9:], dirs)
    turned = limbs.matmul(_pair(heading)[:, :, None], legs)
    sided = jnp.concatenate([arms, turned], axis=2)
    xyz = limbs.forward_kinematics(midline, sided, pelvis, shape.offsets)
    xyz, feet = _tumble(heading, turns[:, 6], xyz, sided[:, :, -1])
    return _move_to_floor(shape, pose, xyz, feet) + pose.root[:, None]


def _local_rotations(
    pose: Pose, trunk: Float[Array, "frames 12"], dirs: Float[Array, "frames 2 3"]
) -> Float[Array, "frames parts 3 3"]:
    """All rotations that are given by angles (yaw, pitch, roll).

    Their order: heading, pelvis, abdomen, chest, neck, head, tumble, then right and
    left of: standing foot, arm base (world frame), clavicle, hand.
    """
    pitch, roll, yaw, bend, tilt, twist, nod, lean, look = jnp.moveaxis(
        trunk[:, :9], -1, 0
    )
    zero = jnp.zeros_like(pitch)
    # A person who bends forward raises the head to look ahead.
    nod = nod - 0.25 * (pitch + bend)
    midline = jnp.stack(
        [
            jnp.stack([pose.yaw, zero, zero], axis=-1),
            jnp.stack([yaw, pitch, roll], axis=-1),
            0.5 * jnp.stack([twist, bend, tilt], axis=-1),
            jnp.stack([twist, bend, tilt], axis=-1),
            0.7 * jnp.stack([look, nod, lean], axis=-1),
            jnp.stack([look, nod, lean], axis=-1),
            jnp.stack([zero, trunk[:, 10], trunk[:, 11]], axis=-1),
        ],
        axis=1,
    )
    feet = pose.legs[:, 3:].reshape(-1, 2, 6)
    toe_out = jnp.clip(feet[..., 3], *_TOE_OUT_RANGE)
    heel = jnp.clip(feet[..., 4] + pose.heel, *_HEEL_RANGE)
    foot = jnp.stack([toe_out, heel, jnp.zeros_like(heel)], axis=-1)
    # Arms are relative to the chest, with less of its bend if they hang along gravity.
    keep = 1.0 - trunk[:, 9:10] * jnp.clip(pose.arms[..., 8], 0.0, 1.0)
    mirror = jnp.asarray([[1.0, -1.0]])
    base = jnp.stack(
        [
            (pose.yaw + yaw + twist)[:, None] * mirror,
            (pitch + bend)[:, None] * keep,
            (roll + tilt)[:, None] * keep * mirror,
        ],
        axis=-1,
    )
    # The shoulder girdle follows the arm, up and forward.
    up = 0.3 * jnp.maximum(0.25 - dirs[..., 1], 0.0)
    clavicle = jnp.stack([-0.2 * dirs[..., 2], jnp.zeros_like(up), -up], axis=-1)
    low, high = jnp.moveaxis(jnp.asarray(_HAND_RANGE)[None, None], -1, 0)
    hand = jnp.clip(pose.arms[..., 9:], low, high)
    return limbs.rotations_from_angles(
        jnp.concatenate([midline, foot, base, clavicle, hand], axis=1)
    )


def _pair(frames: Float[Array, "frames 3 3"]) -> Float[Array, "frames 2 3 3"]:
    """A midline frame for the right limb, and mirrored for the left limb."""
    return limbs.mirror_rotations(
        jnp.broadcast_to(frames[:, None], (frames.shape[0], 2, 3, 3))
    )


def _midline_frames(turns: Float[Array, "frames parts 3 3"]) -> Array:
    """World frames of pelvis, abdomen, chest, neck and head, (frames, 5, 3, 3)."""
    pelvis = limbs.matmul(turns[:, :1], turns[:, 1:2])
    spine = limbs.matmul(pelvis, turns[:, 2:4])
    head = limbs.matmul(spine[:, 1:], turns[:, 4:6])
    return jnp.concatenate([pelvis, spine, head], axis=1)


def _shoulder_heights(
    shape: shapes.Shape,
    midline: Float[Array, "frames 5 3 3"],
    pelvis: Float[Array, "frames 3"],
) -> Float[Array, "frames 2"]:
    """World y of right and left shoulder (metres), with the shoulder girdle at rest."""
    spine = [shapes.BODY.index(name) for name in ("torso", "thorax")]
    bones = jnp.broadcast_to(
        shape.offsets[np.asarray(spine)][None], (len(pelvis), 2, 3)
    )
    thorax = pelvis[:, 1] + jnp.sum(
        limbs.rotate(midline[:, 1:3], bones)[..., 1], axis=1
    )
    arms = jnp.broadcast_to(_offset(shape, "shoulder"), (len(pelvis), 2, 3))
    return thorax[:, None] + limbs.rotate(_pair(midline[:, 2]), arms)[..., 1]


def _arms(
    shape: shapes.Shape,
    pose: Pose,
    chest: Float[Array, "frames 3 3"],
    shoulders: Float[Array, "frames 2"],
    turns: Float[Array, "frames 6 3 3"],
    dirs: Float[Array, "frames 2 3"],
) -> Float[Array, "frames 2 4 3 3"]:
    """World frames of clavicle, upper arm, forearm and hand, as right limbs."""
    base, clavicle, hand = turns[:, :2], turns[:, 2:4], turns[:, 4:]
    chest = _pair(chest)
    lengths = _bone(shape, "elbow"), _bone(shape, "wrist")
    length = lengths[0] + lengths[1]
    # The reach approaches the arm's length only for distant targets.
    reach = 0.999 - 0.03 * jnp.logaddexp(0.0, (0.985 - pose.arms[..., 2]) / 0.03)
    reach = length * jnp.clip(reach, *_ARM_REACH)
    wrist = limbs.rotate(base, dirs * reach[..., None])
    wrist = _outside_torso(shape, limbs.rotate(jnp.swapaxes(chest, -1, -2), wrist))
    wrist = limbs.rotate(chest, wrist)
    # The wrist stays at least a hand's length above the floor.
    lowest = -0.2 * shape.stature / shapes.REFERENCE_STATURE - shoulders
    wrist = wrist.at[..., 1].min(lowest)
    reach = jnp.clip(
        numerics.safe_norm(wrist), _ARM_REACH[0] * length, _ARM_REACH[1] * length
    )
    dirs = numerics.safe_normalize(limbs.rotate(jnp.swapaxes(base, -1, -2), wrist))
    elbow = jnp.clip(pose.arms[..., 3], *_ELBOW_RANGE)
    front = limbs.rotate_about(limbs.arm_front(dirs), dirs, -elbow)
    bones = limbs.two_bone_ik(dirs, front, reach, lengths, bend_to_front=False)
    bones = limbs.matmul(base[:, :, None], bones)
    ends = limbs.matmul(
        jnp.stack([chest, bones[:, :, 1]], axis=2), jnp.stack([clavicle, hand], axis=2)
    )
    return jnp.concatenate([ends[:, :, :1], bones, ends[:, :, 1:]], axis=2)


def _outside_torso(
    shape: shapes.Shape, wrist: Float[Array, "frames 2 3"]
) -> Float[Array, "frames 2 3"]:
    """Pushes wrists (metres from the shoulder, chest frame) out of trunk and head.

    The trunk is an elliptic cylinder; above the shoulders it narrows to the head.
    """
    scale = shape.stature / shapes.REFERENCE_STATURE
    centre = _offset(shape, "shoulder")[..., 0]
    ahead = 0.02 * scale
    below = jnp.clip(0.5 + wrist[..., 1] / (0.12 * scale), 0.0, 1.0)
    half = scale * jnp.stack([0.11 + 0.10 * below, 0.13 + 0.04 * below], axis=-1)
    across = jnp.stack([wrist[..., 0] + centre, wrist[..., 2] - ahead], axis=-1)
    ratio = numerics.safe_norm(across / half)
    # Smooth maximum of ratio and one; applied only between hips and top of the head.
    pushed = (ratio**6 + 1.0) ** (1.0 / 6.0) / jnp.maximum(ratio, 0.05)
    apart = jnp.abs(wrist[..., 1] - 0.1 * scale) / (0.5 * scale)
    near = jnp.clip(4.0 * (1.0 - apart), 0.0, 1.0)
    across = across * (1.0 + near * (pushed - 1.0))[..., None]
    return jnp.stack(
        [across[..., 0] - centre, wrist[..., 1], across[..., 1] + ahead], axis=-1
    )


def _legs(
    shape: shapes.Shape,
    pose: Pose,
    trunk: Float[Array, "frames 12"],
    pelvis_turn: Float[Array, "frames 3 3"],
    standing: Float[Array, "frames 2 3 3"],
) -> tuple[Array, Array]:
    """Thigh, shank and foot (frames, 2, 3, 3, 3) and pelvis, in the heading frame."""
    lengths = _bone(shape, "knee"), _bone(shape, "ankle")
    leg = lengths[0] + lengths[1]
    ankle = _ankles(shape, pose, leg, standing)
    hips = jnp.broadcast_to(_offset(shape, "hip"), ankle.shape)
    hips = limbs.rotate(_pair(pelvis_turn), hips)
    pelvis = _pelvis_place(pose, trunk, leg, shapes.sole_drop(shape), hips, ankle)
    chain = (
        ankle
        - hips
        - limbs.mirror_vectors(jnp.broadcast_to(pelvis[:, None], hips.shape))
    )
    reach = jnp.clip(
        numerics.safe_norm(chain), _LEG_REACH[0] * leg, _LEG_REACH[1] * leg
    )
    dirs = numerics.safe_normalize(chain)
    feet = pose.legs[:, 3:].reshape(-1, 2, 6)
    front = limbs.leg_front(dirs, 0.6 * feet[..., 3] + feet[..., 5])
    bones = limbs.two_bone_ik(dirs, front, reach, lengths, bend_to_front=True)
    # A lifted foot follows the shank, slightly stretched.
    follow = jnp.clip(pose.lift / 0.15, 0.0, 1.0)
    follow = follow**2 * (3.0 - 2.0 * follow)
    loose = limbs.matmul(bones[:, :, 1], jnp.asarray(_LOOSE_FOOT))
    foot = limbs.blend_frames(standing, loose, follow)
    return jnp.concatenate([bones, foot[:, :, None]], axis=2), pelvis


def _ankles(
    shape: shapes.Shape,
    pose: Pose,
    leg: Float[Array, "1 2"],
    standing: Float[Array, "frames 2 3 3"],
) -> Float[Array, "frames 2 3"]:
    """Ankles (metres, heading frame); a foot pivots on its ball or on its heel."""
    feet = pose.legs[:, 3:].reshape(-1, 2, 6)
    ball = _offset(shape, "foot")
    height = shapes.sole_drop(shape) - ball[..., 1] + leg * pose.lift
    # Raised toes turn about the heel, which lies behind the ball.
    raised = jnp.maximum(standing[..., 1, 2] * -1.0, 0.0)
    height = height + raised * (ball[..., 2] + 0.05)
    right = pose.step[..., 0] * jnp.asarray([[1.0, -1.0]])
    lateral = _offset(shape, "hip")[..., 0] + leg * feet[..., 0] + right
    forward = leg * feet[..., 1] + ball[..., 2] + pose.step[..., 1]
    pivot = jnp.stack([lateral, -height, forward], axis=-1)
    return pivot - limbs.rotate(standing, jnp.broadcast_to(ball, pivot.shape))


def _pelvis_place(
    pose: Pose, trunk: Array, leg: Array, sole: Array, hips: Array, ankle: Array
) -> Float[Array, "frames 3"]:
    """Pelvis position (metres, heading frame), limited by the reach of both legs."""
    height, right, forward = jnp.moveaxis(pose.legs[:, :3], -1, 0)
    bend = trunk[:, 0] + 0.7 * trunk[:, 3]
    backward = 0.16 * jnp.sin(bend)  # keeps the centre of mass over the feet
    right, forward = leg[0, 0] * right, leg[0, 0] * (forward - backward)
    lateral = right[:, None] * jnp.asarray([[1.0, -1.0]])
    sq = (hips[..., 0] + lateral - ankle[..., 0]) ** 2
    sq = sq + (hips[..., 2] + forward[:, None] - ankle[..., 2]) ** 2
    rise = jnp.sqrt(jnp.maximum((0.998 * leg) ** 2 - sq, (0.3 * leg) ** 2))
    # A lifted foot may lag behind its target and does not pull the pelvis down.
    spare = pose.lift - jnp.min(pose.lift, axis=-1, keepdims=True)
    highest = rise - ankle[..., 1] + hips[..., 1] + 2.0 * leg * spare
    # Smooth minimum over the legs, so that steps do not jolt the pelvis.
    smooth = 0.008
    lower = jnp.min(highest, axis=-1)
    gap = jnp.mean(jnp.exp((lower[:, None] - highest) / smooth), axis=-1)
    reachable = lower - smooth * jnp.log(gap)
    upright = 0.998 * leg[0, 0] + sole
    reachable = reachable + pose.gait * (upright - reachable)
    return jnp.stack([right, -jnp.clip(height, 0.3, 1.0) * reachable, forward], axis=-1)


def _tumble(
    heading: Float[Array, "frames 3 3"],
    turn: Float[Array, "frames 3 3"],
    xyz: Float[Array, "frames joints 3"],
    feet: Float[Array, "frames 2 3 3"],
) -> tuple[Array, Array]:
    """Rotates the whole body about the pelvis, in the heading frame."""
    turn = limbs.matmul(limbs.matmul(heading, turn), jnp.swapaxes(heading, -1, -2))
    pelvis = xyz[:, shapes.ROOT, None]
    spread = jnp.einsum("tij,tkj->tki", turn, xyz - pelvis, precision="highest")
    return spread + pelvis, limbs.matmul(_pair(turn), feet)


def _move_to_floor(
    shape: shapes.Shape, pose: Pose, xyz: Array, feet: Float[Array, "frames 2 3 3"]
) -> Float[Array, "frames joints 3"]:
    """Shifts the body vertically so that its lowest point has the right height."""
    scale = shape.stature / shapes.REFERENCE_STATURE
    margin = scale * jnp.asarray(_SKIN)[None]
    heel = jnp.broadcast_to(scale * jnp.asarray(_HEEL), (*feet.shape[:2], 3))
    heels = xyz[:, _ANKLES, 1] + limbs.rotate(feet, heel)[..., 1]
    low = jnp.concatenate([xyz[..., 1] + margin, heels], axis=-1)
    leg = _bone(shape, "knee") + _bone(shape, "ankle")
    lowest = jnp.max(low, axis=-1)
    clearance = pose.air + jnp.min(leg * pose.lift, axis=-1)
    # During a gait the body is only raised, if a point is below the floor.
    stepping = -jnp.maximum(lowest + pose.air, 0.0)
    shift = pose.gait * stepping + (1.0 - pose.gait) * (-clearance - lowest)
    return xyz.at[..., 1].add(shift[:, None])


def _sided_indices(*joints: str) -> np.ndarray:
    """Indices of the right and left of each joint."""
    names = [f"{side}_{joint}" for joint in joints for side in ("right", "left")]
    return np.asarray([shapes.BODY.index(name) for name in names])


_ANKLES = _sided_indices("ankle")
# Distance from joints to the skin where they may touch the floor, metres.
_SKIN = np.full(shapes.BODY.num_joints, 0.04, np.float32)
_SKIN[_sided_indices("foot")] = 0.03
_SKIN[_sided_indices("hand_tip", "thumb", "hand")] = 0.015
_SKIN[_sided_indices("hip")] = 0.09
_SKIN[[shapes.BODY.index(name) for name in ("pelvis", "torso", "thorax")]] = 0.10
_HEEL = np.asarray([[[0.0, 0.075, -0.05]]], np.float32)  # from the ankle, foot frame
# Rotation of a loose foot against the shank: pitched forward by 0.35 rad.
_LOOSE_FOOT = np.asarray(
    [[1, 0, 0], [0, np.cos(0.35), np.sin(0.35)], [0, -np.sin(0.35), np.cos(0.35)]],
    np.float32,
)[None, None]


def _offset(shape: shapes.Shape, joint: str) -> Float[Array, "1 2 3"]:
    """Rest offsets of a joint of both sides, as right limbs, metres."""
    return limbs.mirror_vectors(shape.offsets[_sided_indices(joint)][None])


def _bone(shape: shapes.Shape, joint: str) -> Float[Array, "1 2"]:
    """Lengths of the bones to a joint of both sides, metres."""
    return numerics.safe_norm(_offset(shape, joint))
