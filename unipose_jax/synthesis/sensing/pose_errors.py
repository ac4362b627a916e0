"""Simulated errors of 3D poses, as networks and trackers make them.

A pose network's errors last: on the 4,863 test frames of ITOP, those of a published
depth network have autocorrelations of 0.79, 0.64, 0.52, 0.38 and 0.32 at 1, 2, 3, 5 and
8 frames of 15 Hz, 15 to 44 mm per coordinate and joint, and 84 % of the errors above
10 cm have such errors next to them in time. `NETWORK` has these statistics; `TRACKER`
imitates skeletons of Kinect, whose joints also freeze and get lost.

All processes are defined in continuous time, so the same errors can be drawn at any
frame rate and with uneven times.
"""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from unipose_jax.skeleton import definitions
from unipose_jax.synthesis.sensing import normal_noise

# Error of each joint between that of the trunk (0) and that of hands and feet (1).
_EXPOSURE = {
    "torso": 0.0,
    "thorax": 0.0,
    "neck": 0.0,
    "pelvis": 0.1,
    "head": 0.1,
    "nose": 0.15,
    "eye": 0.15,
    "ear": 0.15,
    "head_top": 0.2,
    "shoulder": 0.2,
    "hip": 0.25,
    "knee": 0.45,
    "elbow": 0.55,
    "ankle": 0.8,
    "wrist": 0.85,
}
_ARM = ("shoulder", "elbow", "wrist", "hand", "hand_tip", "thumb")
_LEG = ("hip", "knee", "ankle", "foot")


@dataclasses.dataclass(frozen=True)
class PoseErrors:
    """Errors of poses: standard deviations in metres per coordinate, times in seconds.

    Numbers may be traced arrays, so that each clip can have its own; the degrees of
    freedom may not. Shares are of joints and frames. Bursts, exchanged sides, lost and
    frozen joints last for random times, exponentially distributed with the given mean.
    The defaults are those of `NETWORK`.
    """

    trunk_error: float | Array = 0.022  # lasting error of the trunk
    end_error: float | Array = 0.053  # lasting error of hands and feet
    memory: float | Array = 0.21  # time constant: 0.73 from frame to frame at 15 Hz
    drift_share: float | Array = 0.3  # of the variance of the lasting error: slower
    drift_memory: float | Array = 3.0  # time constant of this part
    limb_share: float | Array = 0.25  # of this variance: common to a limb, or the trunk
    degrees_of_freedom: int = 4  # of Student's t; its scale varies over time, too
    tail_memory: float | Array = 1.0  # time constant of this scale
    jitter: float | Array = 0.002  # independent in each frame
    burst_share: float | Array = 0.042  # of large errors, more for exposed joints
    burst_error: float | Array = 0.14
    burst_time: float | Array = 0.6
    swap_share: float | Array = 0.004  # arms or legs with sides exchanged
    swap_time: float | Array = 0.3
    turn_share: float | Array = 0.001  # all sides exchanged at once
    lost_share: float | Array = 0.0  # confidence 0: single joints, and half of it limbs
    lost_time: float | Array = 0.3
    frozen_share: float | Array = 0.0  # joints that keep their last position
    frozen_time: float | Array = 0.5


NETWORK = PoseErrors()
"""A depth network: 88 mAP@10cm and 58 mm on ITOP's joints."""
TRACKER = PoseErrors(
    trunk_error=0.010,
    end_error=0.030,
    memory=0.35,
    jitter=0.004,
    burst_share=0.02,
    burst_time=0.25,
    lost_share=0.01,
    frozen_share=0.02,
)
"""A tracker such as Kinect's. There is no truth for it, so this is an assumption."""


@definitions.accepts_name
def add_errors(
    key: Array,
    xyz: Float[Array, "time joints 3"],
    time: Float[Array, " time"],
    errors: PoseErrors,
    *,
    skeleton: definitions.Skeleton,
) -> tuple[Float[Array, "time joints 3"], Float[Array, "time joints"]]:
    r"""Adds errors to the poses of one person.

    In this order: sides are exchanged, lasting errors, bursts and jitter are added,
    joints freeze and get lost. The lasting error of a coordinate is a Student t
    process: the ratio of an Ornstein-Uhlenbeck process (AR(1) at equal time steps) to
    the root mean square of `degrees_of_freedom` others.

    Args:
        key: a `jax.random.key`.
        xyz: true joints, metres, any static frame. NaN stays NaN.
        time: seconds. Errors have no memory across a step that is not positive.
        errors: sizes and shares of the errors.
        skeleton: names of the joints.

    Returns:
        Joints in metres; and confidence, 0 for lost joints (which keep an estimate, to
        be ignored) and 1 for all others.
    """
    limbs = _limbs(skeleton)
    draws = _draw(key, len(time), len(limbs.number), errors.degrees_of_freedom)
    step = jnp.diff(time)
    step = jnp.where(step > 0.0, step, jnp.inf)
    xyz = _exchange(draws, xyz, step, errors, skeleton, limbs)
    xyz = xyz + _lasting(draws, step, errors, limbs)
    xyz = xyz + _bursts(draws, step, errors, limbs)
    xyz = xyz + errors.jitter * draws.jitter
    xyz = _freeze(draws, xyz, step, errors)
    return xyz, jnp.where(_lost(draws, step, errors, limbs), 0.0, 1.0)


def wander(
    normal: Float[Array, "time ..."],
    step: Float[Array, " steps"],
    *,
    memory: float | Array,
) -> Float[Array, "time ..."]:
    """Ornstein-Uhlenbeck process: standard normal at each time, correlated over time.

    Args:
        normal: independent standard normal values.
        step: seconds between frames; infinite where nothing is remembered.
        memory: time constant of the correlation, seconds.
    """
    keep = jnp.concatenate([jnp.zeros(1), jnp.exp(-step / memory)])
    keep = keep.reshape(-1, *(1,) * (normal.ndim - 1))
    fresh = normal * jnp.sqrt(1.0 - keep**2)

    def move(value, change):
        value = change[0] * value + change[1]
        return value, value

    return jax.lax.scan(move, jnp.zeros(normal.shape[1:]), (keep, fresh))[1]


class Episodes(NamedTuple):
    """A division of time into episodes, for each joint or limb.

    Attributes:
        start: (time, n), the frame in which the episode of each frame began.
        active: (time, n), bool: the episodes in which an error occurs.
    """

    start: Array
    active: Array


def episodes(
    uniform: Float[Array, "time 2 n"],
    step: Float[Array, " steps"],
    share: Float[Array, " n"],
    *,
    duration: float | Array,
) -> Episodes:
    """Random episodes, a share of which is active.

    Args:
        uniform: independent values, uniform in [0, 1).
        step: seconds between frames.
        share: of time in active episodes, in [0, 1).
        duration: mean time in active episodes without a break, seconds.
    """
    # Successive episodes may both be active.
    mean = duration * (1.0 - share)
    chance = 1.0 - jnp.exp(-step[:, None] / mean[None])
    renewed = jnp.pad(uniform[1:, 0] < chance, ((1, 0), (0, 0)), constant_values=True)

    def move(start, change):
        start = jnp.where(change[0], change[1], start)
        return start, start

    frame = jnp.arange(len(renewed))
    start = jax.lax.scan(move, jnp.zeros(len(share), int), (renewed, frame))[1]
    active = uniform[:, 1] < share[None]
    return Episodes(start, jnp.take_along_axis(active, start, axis=0))


class _Draws(NamedTuple):
    """All random numbers, independent in each frame."""

    # Standard normal, for all joints, then for the five limbs.
    fast: Array  # (time, joints + 5, 3)
    slow: Array  # (time, joints + 5, 3)
    far: Array  # (time, joints + 5, 3)
    jitter: Array  # (time, joints, 3)
    tail: Array  # (time, joints, degrees of freedom)
    # Uniform in [0, 1), for `episodes`.
    burst: Array  # (time, 2, joints + 5)
    lost: Array  # (time, 2, joints + 5)
    frozen: Array  # (time, 2, joints)
    swap: Array  # (time, 2, 3) arms, legs, everything


def _draw(key, frames, joints, freedom) -> _Draws:
    """Draws all random numbers in one call of the generator, which compiles fast."""
    normal = {name: (joints + 5, 3) for name in ("fast", "slow", "far")}
    normal |= {"jitter": (joints, 3), "tail": (joints, freedom)}
    uniform = {name: (2, joints + 5) for name in ("burst", "lost")}
    uniform |= {"frozen": (2, joints), "swap": (2, 3)}
    sizes = [math.prod(shape) for shape in (*normal.values(), *uniform.values())]
    u = jax.random.uniform(key, (frames, sum(sizes)))
    parts = jnp.split(u, np.cumsum(sizes)[:-1], axis=1)
    shapes = normal | uniform
    found = {
        name: part.reshape(frames, *shapes[name])
        for name, part in zip(shapes, parts, strict=True)
    }
    for name in normal:
        found[name] = normal_noise.from_uniform(found[name])
    return _Draws(**found)


class _Limbs(NamedTuple):
    """Limb of each joint, its place along it, and its exposure to errors, in [0, 1]."""

    number: np.ndarray  # 0 trunk and head, 1 left arm, 2 right arm, 3 and 4 legs
    place: np.ndarray  # 1 at the end of the limb, less before it
    exposure: np.ndarray


def _limbs(skeleton: definitions.Skeleton) -> _Limbs:
    """Limbs by name; joints with other names belong to the limb that they hang on."""
    number = np.zeros(skeleton.num_joints, np.int32)
    exposure = np.ones(skeleton.num_joints, np.float32)
    depth = np.zeros(skeleton.num_joints, np.float32)
    for joint, name in enumerate(skeleton.joints):
        path = _path(skeleton, joint)
        kinds = [definitions.without_side(skeleton.joints[j]) for j in path]
        known = [k for k in kinds if k in _ARM or k in _LEG or k in _EXPOSURE]
        limb = known[0] if known else ""
        side = int(name.startswith("right_"))
        if limb in _ARM or limb in _LEG:
            number[joint] = (1 if limb in _ARM else 3) + side
            first = _ARM if limb in _ARM else _LEG
            depth[joint] = sum(kind in first or kind not in known for kind in kinds)
        unknown = 0.0 if limb in ("torso", "thorax", "neck", "pelvis") else 1.0
        exposure[joint] = _EXPOSURE.get(kinds[0], unknown)
    longest = np.array([max(depth[number == n], default=1.0) for n in range(5)])
    place = np.where(number > 0, depth / np.maximum(longest[number], 1.0), 1.0)
    return _Limbs(number, place.astype(np.float32), exposure)


def _path(skeleton: definitions.Skeleton, joint: int) -> list[int]:
    """The joint and its ancestors."""
    path = []
    while joint >= 0:
        path.append(joint)
        joint = skeleton.parents[joint]
    return path


def _exchange(draws, xyz, step, errors, skeleton, limbs):
    """Exchanges left and right of arms, legs or everything."""
    share = jnp.stack([errors.swap_share, errors.swap_share, errors.turn_share])
    found = episodes(draws.swap, step, share, duration=errors.swap_time).active
    group = (limbs.number + 1) // 2  # 0 trunk and head, 1 arms, 2 legs
    swapped = jnp.pad(found[:, :2], ((0, 0), (1, 0)))[:, group] | found[:, 2:]
    return jnp.where(swapped[..., None], xyz[:, np.asarray(skeleton.mirror)], xyz)


def _lasting(draws, step, errors, limbs):
    """Lasting errors of all joints, metres."""
    place = limbs.place[None, :, None]
    fast = wander(draws.fast, step, memory=errors.memory)
    slow = wander(draws.slow, step, memory=errors.drift_memory)
    both = jnp.sqrt(1.0 - errors.drift_share) * fast
    both = both + jnp.sqrt(errors.drift_share) * slow
    own, limb = both[:, :-5], both[:, -5:][:, limbs.number]
    common = errors.limb_share * place**2
    both = jnp.sqrt(1.0 - common) * own + jnp.sqrt(common) * limb
    tail = wander(draws.tail, step, memory=errors.tail_memory)
    scale = 1.0 / jnp.sqrt(jnp.mean(tail**2, axis=-1, keepdims=True) + 1e-3)
    if errors.degrees_of_freedom > 2:
        # The variance of Student's t is f / (f - 2).
        scale = scale * np.sqrt(1.0 - 2.0 / errors.degrees_of_freedom)
    size = errors.trunk_error + limbs.exposure * (errors.end_error - errors.trunk_error)
    return size[None, :, None] * scale * both


def _bursts(draws, step, errors, limbs):
    """Large errors of single joints and of the ends of limbs, metres."""
    # Half of the bursts move a limb; the mean exposure of the joints is about a half.
    exposure = jnp.append(limbs.exposure, jnp.full(5, 0.5))
    share = errors.burst_share * exposure
    found = episodes(draws.burst, step, share, duration=errors.burst_time)
    far = jnp.take_along_axis(draws.far, found.start[..., None], axis=0)
    far = jnp.where(found.active[..., None], far, 0.0)
    along = limbs.place * (limbs.number > 0)
    limb = along[None, :, None] * far[:, -5:][:, limbs.number]
    return errors.burst_error * (far[:, :-5] + limb)


def _freeze(draws, xyz, step, errors):
    """Joints that keep the position they had at the start of an episode."""
    share = jnp.full(xyz.shape[1], errors.frozen_share)
    found = episodes(draws.frozen, step, share, duration=errors.frozen_time)
    held = jnp.take_along_axis(xyz, found.start[..., None], axis=0)
    return jnp.where(found.active[..., None], held, xyz)


def _lost(draws, step, errors, limbs):
    """Joints that are not found: single ones and whole limbs."""
    share = jnp.full(draws.lost.shape[-1], 0.5 * errors.lost_share)
    found = episodes(draws.lost, step, share, duration=errors.lost_time).active
    limb = found[:, -5:][:, limbs.number] & (limbs.number > 0)[None]
    return found[:, :-5] | limb
