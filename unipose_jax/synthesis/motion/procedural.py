"""Procedural motion: joints as a pure function of a random key, a body and times.

A clip interpolates smoothly between key poses in a ring, whose limbs are sampled from
the tables of `actions`. A gait, a rhythm of the arms and a small sway are added. Arms
and legs follow from hand and foot positions by inverse kinematics, so that feet stand
still on the floor and elbows and knees cannot bend the wrong way.

World frame: metres, x right, y down, z forward, the floor at y = 0.
"""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from unipose_jax.synthesis.motion import (
    actions,
    clip_sampling,
    curves,
    layers,
    limbs,
    posture,
)
from unipose_jax.synthesis.motion import body_shape as shapes

MotionParams = actions.MotionParams


def sample_motion(
    key: Array,
    shape: shapes.Shape,
    time: Float[Array, " frames"],
    params: MotionParams,
) -> Float[Array, "frames joints 3"]:
    """Samples the motion of one person for one clip.

    The motion depends only on `key`, `shape` and `time`, and is defined at any time. A
    walking person passes the middle of the room at the middle of the given times.

    Args:
        key: a `jax.random.key`.
        shape: an unbatched person; `vmap` over keys, shapes and times for many.
        time: seconds, increasing.
        params: distribution of motions.

    Returns:
        Joints of `skeleton.BODY`, metres, world frame: y down, the floor at y = 0.
    """
    draws = clip_sampling.draw(key, params.num_key_poses)
    action = clip_sampling.choose_action(draws.action, params)
    action_params = clip_sampling.choose_action_parameters(
        draws.action_params, action, params
    )
    action_params = action_params._replace(
        speed=action_params.speed * shape.stature / 1.75
    )
    timing = clip_sampling.choose_timing(draws.timing, action_params, params)
    arms, trunk, legs = clip_sampling.choose_key_poses(
        draws, action, action_params, params
    )
    weights, bump = curves.ring_weights(
        time / timing.interval + timing.start,
        params.num_key_poses,
        hold=timing.hold,
        flow=timing.flow,
    )
    elapsed = time - 0.5 * (time[0] + time[-1])
    pose = posture.Pose(
        arms=jnp.einsum("tk,ksc->tsc", weights, arms, precision="highest"),
        trunk=jnp.matmul(weights, trunk, precision="highest"),
        legs=jnp.matmul(weights, legs, precision="highest"),
        lift=jnp.zeros((*time.shape, 2)),
        step=jnp.zeros((*time.shape, 2, 2)),
        heel=jnp.zeros((*time.shape, 2)),
        gait=jnp.zeros_like(time),
        air=jnp.zeros_like(time),
        root=layers.root_path(elapsed, action_params, timing),
        yaw=timing.yaw + action_params.turn * elapsed,
    )
    pose = layers.add_lifts(pose, legs, bump)
    pose = layers.add_gait(pose, time, action_params, timing)
    pose = layers.add_jump(pose, time, action_params, timing)
    pose = layers.add_rhythm(draws.rhythm, pose, time, action_params, params)
    pose = layers.add_sway(draws.sway, pose, time, params)
    return posture.joints_from_posture(shape, pose)


def from_clip(
    xyz_clip: Float[Array, "clip_frames joints 3"],
    time: Float[Array, " frames"],
    *,
    fps: float = 30.0,
    start: float | Array = 0.0,
    yaw: float | Array = 0.0,
) -> Float[Array, "frames joints 3"]:
    """Samples a recorded clip at any times.

    Joints follow Catmull-Rom curves between recorded frames, and stay constant before
    the first and after the last frame.

    Args:
        xyz_clip: joints of `skeleton.BODY`, metres, world frame, from
            `retargeting.to_body`.
        time: seconds since `start`.
        fps: frame rate of the clip.
        start: seconds into the clip.
        yaw: rotation of the person about the vertical, radians.

    Returns:
        Joints in metres, world frame, the pelvis above the origin in mid-clip.
    """
    last = xyz_clip.shape[0] - 1
    place = jnp.clip((time + start) * fps, 0.0, last)
    below = jnp.clip(jnp.floor(place), 0, max(last - 1, 0)).astype(jnp.int32)
    u = (place - below)[:, None, None]
    around = below[:, None] + jnp.arange(-1, 3)[None]
    p0, p1, p2, p3 = jnp.moveaxis(xyz_clip[jnp.clip(around, 0, last)], 1, 0)
    xyz = p1 + 0.5 * u * (
        p2 - p0 + u * (2 * p0 - 5 * p1 + 4 * p2 - p3 + u * (3 * (p1 - p2) + p3 - p0))
    )
    root = xyz[:, shapes.ROOT]
    middle = 0.5 * (root[0] + root[-1]) * jnp.asarray([1.0, 0.0, 1.0])
    zero = jnp.zeros(())
    turn = limbs.rotations_from_angles(jnp.stack([jnp.asarray(yaw), zero, zero]))
    centred = xyz - middle[None, None]
    return jnp.einsum("ij,tkj->tki", turn, centred, precision="highest")
