"""Random choices of a clip: action, its parameters, timing and a ring of key poses."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from unipose_jax.synthesis.motion import actions, posture
from unipose_jax.synthesis.motion import body_shape as shapes


class ActionParameters(NamedTuple):
    """Parameters of one clip's action, scalar arrays; see `actions.Action`."""

    gait: Array
    speed: Array  # m/s
    cadence: Array  # strides per second
    duty: Array
    lift: Array  # leg lengths
    jump: Array  # m
    turn: Array  # rad/s
    rhythm: Array  # Hz
    opposed: Array
    split: Array  # leg lengths
    mix: Array
    pace: Array


class Timing(NamedTuple):
    """Timing, position and personal style of a clip."""

    interval: Array  # seconds between key poses
    hold: Array  # share of the interval at rest
    flow: Array  # 1: passes key poses without stopping, 0: stops at them
    start: Array  # key poses
    gait_phase: Array  # strides
    jump_phase: Array  # jumps
    heading: Array  # direction of travel relative to the body's yaw, radians
    yaw: Array  # radians
    place: Array  # [3] metres
    swing: Array  # factor of the swing of arms and legs, about 1
    bounce: Array  # [0, 1)
    tuck: Array  # [0, 1)


class Draws(NamedTuple):
    """All random numbers of a clip: three normal arrays, the rest uniform in [0, 1)."""

    arms: Array  # [keys+1 2 12] normal; the first row is common to all key poses
    trunk: Array  # [keys+1 12] normal
    legs: Array  # [keys+1 15] normal
    action: Array
    action_params: Array  # [12]
    timing: Array  # [13]
    sides: Array  # [3] leading side; side of the trunk's lean; symmetry of the arms
    rest: Array  # [keys 1]
    flip: Array  # [keys]
    mix: Array  # [keys 4]
    row: Array  # [keys 4]
    rhythm: Array  # [4]
    sway: Array  # [2 2 20] rates and phases


_ARM_MEANS, _ARM_SPREADS = actions.stack_rows(actions.ARMS)
_LEG_MEANS, _LEG_SPREADS = actions.stack_rows(actions.LEGS)
_TRUNK_MEANS, _TRUNK_SPREADS = actions.stack_rows(actions.TRUNKS)
_REST_ROWS = np.asarray(
    [
        actions.row_index(actions.ARMS, "hang"),
        actions.row_index(actions.ARMS, "hang"),
        actions.row_index(actions.TRUNKS, "upright"),
        actions.row_index(actions.LEGS, "stand"),
    ]
)
# Rows that may replace a limb's row in any action: all but the tumbling trunk rows.
_NUM_CALM_TRUNKS = actions.row_index(actions.TRUNKS, "fallen")
_TABLE_SIZES = np.asarray(
    [len(actions.ARMS)] * 2 + [_NUM_CALM_TRUNKS, len(actions.LEGS)]
)
_LEANS = np.asarray([actions.LEG_LEAN.get(n, 0.0) for n in actions.LEGS], np.float32)
_SIDEWAYS = np.asarray(
    [-1.0 if n in actions.SIDEWAYS else 1.0 for n in actions.TRUNK_CHANNELS], np.float32
)
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


def _parameter_ranges() -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of `ActionParameters`, each (actions, fields)."""
    rows = [
        (
            (a.gait, a.gait),
            a.speed,
            a.cadence,
            (0.92 * a.duty, 1.08 * a.duty),
            (0.6 * a.lift, 1.5 * a.lift),
            a.jump,
            (-a.turn, a.turn),
            a.rhythm,
            (a.opposed, a.opposed),
            (-a.split, a.split),
            (a.mix, a.mix),
            (a.pace, a.pace),
        )
        for a in actions.ACTIONS.values()
    ]
    table = np.asarray(rows, np.float32)
    return table[..., 0], table[..., 1]


_PARAMETER_LOW, _PARAMETER_HIGH = _parameter_ranges()


def draw(key: Array, num_keys: int) -> Draws:
    """Draws all random numbers of a clip in one call of the generator.

    One call keeps compile times low; normal values are computed from uniform ones.
    """
    normal = {
        "arms": (num_keys + 1, 2, len(actions.ARM_CHANNELS)),
        "trunk": (num_keys + 1, len(actions.TRUNK_CHANNELS)),
        "legs": (num_keys + 1, actions.NUM_LEG_CHANNELS),
    }
    uniform = {
        "action": (),
        "action_params": (len(ActionParameters._fields),),
        "timing": (13,),
        "sides": (3,),
        "rest": (num_keys, 1),
        "flip": (num_keys,),
        "mix": (num_keys, 4),
        "row": (num_keys, 4),
        "rhythm": (4,),
        "sway": (2, 2, 20),
    }
    split = _total_size(normal)
    u = jax.random.uniform(key, (split + _total_size(uniform),))
    fields = _split_by_name(shapes.normal_from_uniform(u[:split]), normal)
    return Draws(**fields, **_split_by_name(u[split:], uniform))


def _total_size(shapes_by_name: dict[str, tuple[int, ...]]) -> int:
    """Total number of values in all arrays."""
    return sum(math.prod(shape) for shape in shapes_by_name.values())


def _split_by_name(
    values: Array, shapes_by_name: dict[str, tuple[int, ...]]
) -> dict[str, Array]:
    """Splits a vector into named arrays."""
    arrays, start = {}, 0
    for name, shape in shapes_by_name.items():
        stop = start + math.prod(shape)
        arrays[name] = values[start:stop].reshape(shape)
        start = stop
    return arrays


def choose_action(u: Float[Array, ""], params: actions.MotionParams) -> Array:
    """Index of the action at quantile `u` of the weights in `params`.

    Raises:
        ValueError: an action is unknown, a weight is negative, or all are zero.
    """
    weights = np.zeros(len(actions.ACTIONS))
    for name, weight in params.action_weights:
        weights[actions.row_index(actions.ACTIONS, name)] = weight
    if weights.sum() <= 0.0 or weights.min() < 0.0:
        raise ValueError(
            f"action_weights must be positive somewhere: {params.action_weights}"
        )
    edges = jnp.asarray(np.cumsum(weights / weights.sum())[:-1], jnp.float32)
    return jnp.sum(u >= edges)


def choose_action_parameters(
    u: Float[Array, " fields"], action: Array, params: actions.MotionParams
) -> ActionParameters:
    """Samples a clip's parameters uniformly in the ranges of its action."""
    low, high = (
        jnp.asarray(_PARAMETER_LOW)[action],
        jnp.asarray(_PARAMETER_HIGH)[action],
    )
    action_params = ActionParameters(*(low + (high - low) * u))
    return action_params._replace(
        speed=action_params.speed * params.speed,
        mix=jnp.maximum(action_params.mix, params.mix),
    )


def choose_timing(
    u: Float[Array, "13"], action_params: ActionParameters, params: actions.MotionParams
) -> Timing:
    """Timing, position and style of a clip from uniform random numbers."""
    low, high = params.key_interval
    interval = action_params.pace * low * (high / low) ** u[0]
    longest = jnp.maximum(1.0 - params.min_move / interval, 0.0)
    left, right = params.yaw_range
    return Timing(
        interval=interval,
        hold=jnp.minimum(0.6 * u[1], longest),
        flow=jnp.clip(1.5 * u[2] - 0.25, 0.0, 1.0),
        start=u[3] * params.num_key_poses,
        gait_phase=u[4],
        jump_phase=u[5],
        heading=0.25 * (2.0 * u[6] - 1.0),
        yaw=left + (right - left) * u[7],
        place=params.place_range * (2.0 * u[8:11] - 1.0) * jnp.asarray([1.0, 0.0, 1.0]),
        swing=0.6 + 0.8 * u[11],
        bounce=u[12],
        tuck=jnp.mod(7.0 * u[12], 1.0),
    )


def choose_key_poses(
    draws: Draws,
    action: Array,
    action_params: ActionParameters,
    params: actions.MotionParams,
) -> tuple[Array, Array, Array]:
    """Samples the key poses: arms (keys, 2, 12), trunk (keys, 12), legs (keys, 15)."""
    flip = draws.sides[0] < 0.5
    rows, mixed = _choose_rows(draws, action, action_params, flip, params)
    arms = _spread_rows(draws.arms, _ARM_MEANS, _ARM_SPREADS, rows[:, :2], params)
    # Symmetric arms: the left one mirrors the right one.
    both = (draws.sides[2] < params.symmetric) & (rows[:, 0] == rows[:, 1])
    arms = jnp.where(both[:, None, None], arms[:, :1], arms)
    trunk = _spread_rows(draws.trunk, _TRUNK_MEANS, _TRUNK_SPREADS, rows[:, 2], params)
    trunk = trunk.at[:, 0].add(jnp.asarray(_LEANS)[rows[:, 3]])
    # Three quarters lean away from the leading side, the others towards it.
    aside = flip ^ (draws.sides[1] < 0.25)
    trunk = trunk * jnp.where(aside, jnp.asarray(_SIDEWAYS)[None], 1.0)
    legs = _spread_rows(draws.legs, _LEG_MEANS, _LEG_SPREADS, rows[:, 3], params)
    mirrored = jnp.concatenate([legs[:, :3], legs[:, 9:], legs[:, 3:9]], axis=1)
    mirror = jnp.where(mixed[:, 3], draws.flip < 0.5, flip)
    legs = jnp.where(mirror[:, None], mirrored, legs)
    return posture.arm_chart(arms), trunk, legs


def _choose_rows(
    draws: Draws,
    action: Array,
    action_params: ActionParameters,
    flip: Array,
    params: actions.MotionParams,
) -> tuple[Array, Array]:
    """Rows of right arm, left arm, trunk, legs (keys, 4); and which are random."""
    rows = jnp.asarray(_ROWS)[action]
    chosen = jnp.where(flip, rows[jnp.asarray([1, 0, 2, 3])], rows)[None]
    anything = jnp.floor(draws.row * jnp.asarray(_TABLE_SIZES)[None])
    mixed = draws.mix < action_params.mix
    # Walking and jumping keep their leg rows, falls and cartwheels their trunk rows.
    free_legs = (action_params.gait == 0.0) & (action_params.jump == 0.0)
    free_trunk = rows[2] < _NUM_CALM_TRUNKS
    mixed = mixed & jnp.stack([True, True, free_trunk, free_legs])[None]
    chosen = jnp.where(mixed, anything.astype(jnp.int32), chosen)
    rest = (draws.rest < params.rest) & (action_params.gait == 0.0)
    return jnp.where(rest, jnp.asarray(_REST_ROWS)[None], chosen), mixed


def _spread_rows(
    noise: Array,
    means: np.ndarray,
    spreads: np.ndarray,
    rows: Array,
    params: actions.MotionParams,
) -> Array:
    """Samples around table rows; part of each deviation is common to the clip."""
    share = params.persistence
    noise = share**0.5 * noise[:1] + (1.0 - share) ** 0.5 * noise[1:]
    noise = jnp.clip(noise, -2.5, 2.5) * params.spread
    return jnp.asarray(means)[rows] + jnp.asarray(spreads)[rows] * noise
