"""People who move: procedural motion as a pure function of a key, a body and times.

A clip is a ring of key poses, whose limbs are drawn from the tables of `actions`, with
smooth moves between them, a gait, a rhythm of the arms and a little sway on top. Arms
and legs are set by where hand and foot are, so that feet stand still on the floor and
elbows and knees cannot bend the wrong way.

World frame: metres, x right, y down, z forward, the floor at y = 0.
"""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from unipose_jax.geometry import numerics
from unipose_jax.synthesis import actions, curves, limbs, posture
from unipose_jax.synthesis import shape as shapes


@dataclasses.dataclass(frozen=True)
class MotionParams:
    """What people do and how widely. Times in seconds, angles in radians.

    `action_weights` are (name, weight) pairs over `actions.ACTIONS`; an action that is
    not named does not occur.
    """

    action_weights: tuple[tuple[str, float], ...] = tuple(
        (name, 1.0) for name in actions.ACTIONS
    )
    num_key_poses: int = 4  # in a clip's ring
    key_interval: tuple[float, float] = (0.55, 2.2)  # log-uniform
    hold: tuple[float, float] = (0.0, 0.5)  # share of the interval spent at rest
    mix: float = 0.2  # probability that a key pose takes a limb's row at random
    rest: float = 0.25  # probability that a key pose is standing at ease
    symmetric: float = 0.4  # probability that both arms do the same
    persistence: float = 0.5  # share of the variance that a clip's key poses share
    spread: float = 1.0  # multiplies all deviations of the limb tables
    rhythm: float = 1.0  # multiplies the rhythmic amplitudes of the arms
    sway: float = 1.0  # multiplies involuntary motion
    speed: float = 1.0  # multiplies walking speeds, m/s
    yaw_range: tuple[float, float] = (-np.pi, np.pi)  # heading; 0 faces +z
    place_range: float = 0.0  # half-width of the square of starting places, metres


class _Habit(NamedTuple):
    """Numbers of one clip's action; arrays without axes."""

    gait: Array
    speed: Array  # m/s
    cadence: Array  # strides per second
    duty: Array
    lift: Array  # leg lengths
    jump: Array  # m
    turn: Array  # rad/s
    rhythm: Array  # Hz
    opposed: Array


class _Draws(NamedTuple):
    """All randomness of a clip: uniform in [0, 1) but for the three normal ones."""

    action: Array
    habit: Array  # [9]
    clip: Array  # [12]
    sides: Array  # [2] which side leads; whether both arms do the same
    rest: Array  # [keys 1]
    mix: Array  # [keys 4]
    row: Array  # [keys 4]
    rhythm: Array  # [4]
    sway: Array  # [2 2 20] rates and phases
    arms: Array  # [keys+1 2 12] normal; the first lasts the whole clip
    trunk: Array  # [keys+1 10] normal
    legs: Array  # [keys+1 15] normal


def _draw_all(key: Array, keys: int) -> _Draws:
    """Draws with two calls of the generator, whose every call is slow to compile."""
    uniform = {
        "action": (), "habit": (len(_Habit._fields),), "clip": (12,), "sides": (2,),
        "rest": (keys, 1), "mix": (keys, 4), "row": (keys, 4), "rhythm": (4,),
        "sway": (2, 2, 20),
    }  # fmt: skip
    normal = {
        "arms": (keys + 1, 2, len(actions.ARM_CHANNELS)),
        "trunk": (keys + 1, len(actions.TRUNK_CHANNELS)),
        "legs": (keys + 1, actions.NUM_LEG_CHANNELS),
    }
    key_uniform, key_normal = jax.random.split(key)
    fields = _cut(jax.random.uniform(key_uniform, (_count(uniform),)), uniform)
    fields |= _cut(jax.random.normal(key_normal, (_count(normal),)), normal)
    return _Draws(**fields)


def _count(shapes_by_name: dict[str, tuple[int, ...]]) -> int:
    """Number of values in all arrays together."""
    return sum(math.prod(shape) for shape in shapes_by_name.values())


def _cut(values: Array, shapes_by_name: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    """Cuts a vector into named arrays."""
    arrays, start = {}, 0
    for name, shape in shapes_by_name.items():
        stop = start + math.prod(shape)
        arrays[name] = values[start:stop].reshape(shape)
        start = stop
    return arrays


_ARM_MEANS, _ARM_SPREADS = actions.stack_rows(actions.ARMS)
_LEG_MEANS, _LEG_SPREADS = actions.stack_rows(actions.LEGS)
_TRUNK_MEANS, _TRUNK_SPREADS = actions.stack_rows(actions.TRUNKS)
_HANG = actions.row_index(actions.ARMS, "hang")
_UPRIGHT = actions.row_index(actions.TRUNKS, "upright")
_STAND = actions.row_index(actions.LEGS, "stand")
_TABLE_SIZES = np.asarray(
    [len(actions.ARMS)] * 2 + [len(actions.TRUNKS), len(actions.LEGS)]
)
_LEANS = np.asarray([actions.LEG_LEAN.get(n, 0.0) for n in actions.LEGS], np.float32)
_ROWS = np.asarray(
    [
        (
            actions.row_index(actions.ARMS, action.main),
            actions.row_index(actions.ARMS, action.other),
            actions.row_index(actions.TRUNKS, action.trunk),
            actions.row_index(actions.LEGS, action.legs),
        )
        for action in actions.ACTIONS.values()
    ]
)


def _habit_ranges() -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of `_Habit`, each (actions, fields)."""
    rows = [
        (
            (a.gait, a.gait), a.speed, a.cadence, (0.92 * a.duty, 1.08 * a.duty),
            (0.6 * a.lift, 1.5 * a.lift), a.jump, (-a.turn, a.turn), a.rhythm,
            (a.opposed, a.opposed),
        )
        for a in actions.ACTIONS.values()
    ]  # fmt: skip
    table = np.asarray(rows, np.float32)
    return table[..., 0], table[..., 1]


_HABIT_LOW, _HABIT_HIGH = _habit_ranges()


def sample_motion(
    key: Array,
    shape: shapes.Shape,
    time: Float[Array, " frames"],
    params: MotionParams,
) -> Float[Array, "frames joints 3"]:
    """Moves one person for one clip.

    The motion is a function of `key`, `shape` and `time` alone, and defined for any
    time. A walker passes the middle of the room at the middle of the given times.

    Args:
        key: a `jax.random.key`.
        shape: an unbatched person; `vmap` over keys, shapes and times for many.
        time: seconds, increasing.
        params: distribution of motions.

    Returns:
        Joints of `skeleton.BODY`, metres, world frame: y down, the floor at y = 0.
    """
    draws = _draw_all(key, params.num_key_poses)
    action = _choose_action(draws.action, params)
    habit = _choose_habit(draws.habit, action, params)
    arms, trunk, legs = _choose_key_poses(draws, action, habit, params)
    clip = _choose_timing(draws.clip, params)
    weights, bump = curves.ring_weights(
        time / clip["interval"] + clip["start"],
        params.num_key_poses,
        hold=clip["hold"],
        flow=clip["flow"],
    )
    middle = 0.5 * (time[0] + time[-1])
    pose = posture.Pose(
        arms=jnp.einsum("tk,ksc->tsc", weights, arms, precision="highest"),
        trunk=jnp.einsum("tk,kc->tc", weights, trunk, precision="highest"),
        legs=jnp.einsum("tk,kc->tc", weights, legs, precision="highest"),
        air=jnp.zeros_like(time),
        lift=jnp.zeros((*time.shape, 2)),
        step=jnp.zeros((*time.shape, 2, 2)),
        heel=jnp.zeros((*time.shape, 2)),
        root=_root_path(time - middle, habit, clip, params),
        yaw=clip["yaw"] + habit.turn * (time - middle),
    )
    pose = _add_lifts(pose, legs, bump)
    pose = _add_gait(pose, time, habit, clip)
    pose = _add_jump(pose, time, habit, clip)
    pose = _add_rhythm(draws.rhythm, pose, time, habit, params)
    pose = _add_sway(draws.sway, pose, time, params)
    return posture.place(shape, pose)


def from_clip(
    xyz_clip: Float[Array, "clip_frames joints 3"],
    time: Float[Array, " frames"],
    *,
    fps: float = 30.0,
    start: float | Array = 0.0,
    yaw: float | Array = 0.0,
) -> Float[Array, "frames joints 3"]:
    """Moves somebody as a recorded clip does, at any times.

    Between recorded frames joints follow Catmull-Rom curves; before the first and after
    the last the person stands still.

    Args:
        xyz_clip: joints of `skeleton.BODY`, metres, world frame, from `mocap.to_body`.
        time: seconds since `start`.
        fps: frame rate of the clip.
        start: seconds into the clip.
        yaw: turns the person about the vertical, radians.

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
    turn = limbs.rotation_from_angles(jnp.asarray(yaw), jnp.zeros(()), jnp.zeros(()))
    centred = xyz - middle[None, None]
    return jnp.einsum("ij,tkj->tki", turn, centred, precision="highest")


def _choose_action(u: Array, params: MotionParams) -> Array:
    """Index of an action, drawn by its weight."""
    weights = np.zeros(len(actions.ACTIONS))
    for name, weight in params.action_weights:
        weights[actions.row_index(actions.ACTIONS, name)] = weight
    if weights.sum() <= 0.0 or weights.min() < 0.0:
        raise ValueError(
            f"action_weights must be positive somewhere: {params.action_weights}"
        )
    edges = jnp.asarray(np.cumsum(weights / weights.sum())[:-1], jnp.float32)
    return jnp.sum(u >= edges)


def _choose_habit(u: Array, action: Array, params: MotionParams) -> _Habit:
    """Speeds and rhythms of a clip, uniform in the ranges of its action."""
    low, high = jnp.asarray(_HABIT_LOW)[action], jnp.asarray(_HABIT_HIGH)[action]
    habit = _Habit(*(low + (high - low) * u))
    return habit._replace(speed=habit.speed * params.speed)


def _choose_timing(u: Array, params: MotionParams) -> dict[str, Array]:
    """Timing and place of a clip; (interval, hold, start, phases, yaw, place)."""
    low, high = params.key_interval
    side = 2.0 * u[8:10] - 1.0
    return {
        "interval": low * (high / low) ** u[0],
        "hold": params.hold[0] + (params.hold[1] - params.hold[0]) * u[1],
        "flow": jnp.clip(1.5 * u[2] - 0.25, 0.0, 1.0),
        "start": u[3] * params.num_key_poses,
        "gait_phase": u[4],
        "jump_phase": u[5],
        "heading": 0.25 * (2.0 * u[6] - 1.0),
        "yaw": params.yaw_range[0] + (params.yaw_range[1] - params.yaw_range[0]) * u[7],
        "place": params.place_range * jnp.stack([side[0], 0.0 * u[0], side[1]]),
        "swing": 0.6 + 0.8 * u[10],
        "bounce": u[11],
    }


def _choose_key_poses(
    draws: _Draws, action: Array, habit: _Habit, params: MotionParams
) -> tuple[Array, Array, Array]:
    """The ring of key poses: arms (keys, 2, 12), trunk (keys, 10), legs (keys, 15)."""
    flip = draws.sides[0] < 0.5
    rows = _choose_rows(draws, action, habit, flip, params)
    arms = _spread_rows(draws.arms, _ARM_MEANS, _ARM_SPREADS, rows[:, :2], params)
    # Both arms do the same: the right one's row, mirrored.
    both = (draws.sides[1] < params.symmetric) & (rows[:, 0] == rows[:, 1])
    arms = jnp.where(both[:, None, None], arms[:, :1], arms)
    trunk = _spread_rows(draws.trunk, _TRUNK_MEANS, _TRUNK_SPREADS, rows[:, 2], params)
    legs = _spread_rows(draws.legs, _LEG_MEANS, _LEG_SPREADS, rows[:, 3], params)
    mirrored = jnp.concatenate([legs[:, :3], legs[:, 9:], legs[:, 3:9]], axis=1)
    legs = jnp.where(flip, mirrored, legs)
    trunk = trunk.at[:, 0].add(jnp.asarray(_LEANS)[rows[:, 3]])
    return posture.arm_chart(arms), trunk, legs


def _choose_rows(
    draws: _Draws, action: Array, habit: _Habit, flip: Array, params: MotionParams
) -> Array:
    """Rows of right arm, left arm, trunk and legs for each key pose, (keys, 4)."""
    rows = jnp.asarray(_ROWS)[action]
    chosen = jnp.where(flip, rows[jnp.asarray([1, 0, 2, 3])], rows)[None]
    anything = jnp.floor(draws.row * jnp.asarray(_TABLE_SIZES)[None])
    mixed = draws.mix < params.mix
    # Whoever walks or jumps needs both legs for it.
    free_legs = (habit.gait == 0.0) & (habit.jump == 0.0)
    mixed = mixed & jnp.stack([True, True, True, free_legs])[None]
    chosen = jnp.where(mixed, anything.astype(jnp.int32), chosen)
    rest = (draws.rest < params.rest) & (habit.gait == 0.0)
    return jnp.where(rest, jnp.asarray([_HANG, _HANG, _UPRIGHT, _STAND])[None], chosen)


def _spread_rows(
    noise: Array, means: np.ndarray, spreads: np.ndarray, rows: Array, params
) -> Array:
    """Draws around table rows; part of each deviation lasts the whole clip."""
    share = params.persistence
    noise = share**0.5 * noise[:1] + (1.0 - share) ** 0.5 * noise[1:]
    noise = jnp.clip(noise, -2.5, 2.5) * params.spread
    return jnp.asarray(means)[rows] + jnp.asarray(spreads)[rows] * noise


def _root_path(
    elapsed: Float[Array, " frames"], habit: _Habit, clip: dict, params: MotionParams
) -> Float[Array, "frames 3"]:
    """Place on the floor of somebody who walks at constant speed and turns evenly.

    The integral of v (sin, 0, cos)(yaw): v t sinc(w t / 2) at half the turn, metres.
    """
    half = 0.5 * habit.turn * elapsed
    along = habit.speed * elapsed * jnp.sinc(half / jnp.pi)
    heading = clip["yaw"] + clip["heading"] + half
    zero = jnp.zeros_like(along)
    path = jnp.stack([along * jnp.sin(heading), zero, along * jnp.cos(heading)], -1)
    return path + clip["place"][None]


def _add_lifts(
    pose: posture.Pose, legs: Array, bump: Float[Array, "frames keys"]
) -> posture.Pose:
    """Lifts feet by their rows, and those on their way to another place of the floor.

    The lower foot always stands: people hop, skip and run elsewhere.
    """
    feet = jnp.stack([legs[:, 3:5], legs[:, 9:11]], axis=1)
    moved = numerics.safe_norm(jnp.roll(feet, -1, axis=0) - feet)
    stepping = 0.3 * jnp.minimum(moved, 0.5)
    stepping = jnp.einsum("tk,ks->ts", bump, stepping, precision="highest")
    lift = jnp.stack([pose.legs[:, 5], pose.legs[:, 11]], axis=-1)
    lift = jnp.maximum(lift, 0.0) + stepping
    return pose._replace(lift=lift - jnp.min(lift, axis=-1, keepdims=True))


def _add_gait(
    pose: posture.Pose, time: Float[Array, " frames"], habit: _Habit, clip: dict
) -> posture.Pose:
    """Steps in the direction of travel, arms in opposition, a counter-turning trunk."""
    phase = habit.cadence * time[:, None] + clip["gait_phase"]
    phase = phase + jnp.asarray([[0.0, 0.5]])
    place, lift = curves.foot_cycle(phase, duty=habit.duty)
    half = 0.5 * habit.speed * habit.duty / habit.cadence  # metres
    step = habit.gait * half * place
    heading = clip["heading"]
    step = jnp.stack([step * jnp.sin(heading), step * jnp.cos(heading)], axis=-1)
    effort = habit.gait * jnp.clip(jnp.abs(habit.speed) / 1.4, 0.15, 1.6)
    toe_off = curves.pulse(phase, center=habit.duty)
    strike = curves.pulse(phase, center=jnp.asarray(0.98))
    heel = effort * (0.55 * toe_off - 0.2 * strike)
    opposite = -jnp.cos(curves.TAU * (phase - 0.5 * habit.duty + 0.25))
    swing = jnp.clip(effort, 0.0, 1.2) * clip["swing"] * pose.arms[..., 8] * opposite
    turn = jnp.clip(effort, 0.0, 1.2) * opposite[:, 0] * 0.1
    bend = habit.gait * (0.01 + 0.05 * clip["bounce"])
    return pose._replace(
        step=pose.step + step,
        lift=pose.lift + habit.gait * habit.lift * lift,
        heel=pose.heel + heel,
        arms=pose.arms.at[..., 0].add(0.38 * swing).at[..., 2].add(-0.03 * swing),
        trunk=pose.trunk.at[:, 2].add(turn).at[:, 5].add(-2.0 * turn),
        legs=pose.legs.at[:, 0].add(-bend),
    )


def _add_jump(
    pose: posture.Pose, time: Float[Array, " frames"], habit: _Habit, clip: dict
) -> posture.Pose:
    """Repeated jumps: crouch, take-off, flight of the time that the height takes."""
    airborne = 2.4 * jnp.sqrt(2.0 * habit.jump / 9.81) + 1e-3  # seconds
    period = airborne + 0.45 + 0.8 * clip["bounce"]
    phase = time / period + clip["jump_phase"]
    height, crouch = curves.jump_cycle(phase, flight=airborne / period)
    depth = jnp.clip(1.2 * habit.jump, 0.0, 0.35)
    legs = pose.legs.at[:, 0].add(-depth * crouch)
    trunk = pose.trunk.at[:, 0].add(1.2 * depth * crouch)
    heel = pose.heel + (jnp.clip(3.0 * habit.jump, 0.0, 0.7) * height)[:, None]
    return pose._replace(
        legs=legs, trunk=trunk, heel=heel, air=pose.air + habit.jump * height
    )


def _add_rhythm(
    phases: Array,
    pose: posture.Pose,
    time: Float[Array, " frames"],
    habit: _Habit,
    params: MotionParams,
) -> posture.Pose:
    """Oscillates the arms with the amplitudes of their rows: waving, clapping, blows."""
    phases = phases.reshape(1, 1, 4)
    side = 0.5 * habit.opposed * jnp.asarray([0.0, 1.0]).reshape(1, 2, 1)
    cycle = curves.TAU * (habit.rhythm * time[:, None, None] + phases + side)
    wave = jnp.sin(cycle) + 0.2 * jnp.sin(2.0 * cycle)
    moved = pose.arms[..., :4] + params.rhythm * pose.arms[..., 4:8] * wave
    return pose._replace(arms=jnp.concatenate([moved, pose.arms[..., 4:]], axis=-1))


# Standard deviations of involuntary motion: arms (angles, arm lengths, elbow), trunk.
_ARM_SWAY = np.asarray([0.04, 0.04, 0.012, 0.06], np.float32)
_TRUNK_SWAY = np.asarray([0.02] * 6 + [0.04, 0.03, 0.06, 0.0], np.float32)


def _add_sway(
    u: Array, pose: posture.Pose, time: Float[Array, " frames"], params: MotionParams
) -> posture.Pose:
    """Adds slow sinusoids to arms, trunk and the pelvis over the feet."""
    amplitude = jnp.concatenate(
        [jnp.tile(_ARM_SWAY, 2), _TRUNK_SWAY, jnp.asarray([0.012, 0.012])]
    )
    waves = curves.sway(time, 0.12 + 0.6 * u[0], u[1])
    waves = params.sway * waves * amplitude[None]
    arms = pose.arms.at[..., :4].add(waves[:, :8].reshape(-1, 2, 4))
    trunk = pose.trunk + waves[:, 8:18]
    return pose._replace(
        arms=arms, trunk=trunk, legs=pose.legs.at[:, 1:3].add(waves[:, 18:])
    )
