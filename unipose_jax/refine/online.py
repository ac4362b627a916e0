"""Refinement while poses come in: each is ready a few frames later."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.refine import offline
from unipose_jax.skeleton import definitions

# Frames that a live pose is judged by, and how many of them are later ones.
WINDOW, LAG = 24, 5
# Neighbouring windows differ by a frame, so little is left to find.
ONLINE = offline.SolverSchedule(
    before_swaps=((1.5, 3.0),), after_swaps=((1.0, 1.0),), cg_steps=18
)
_PADDING_AGE = 1e3  # seconds


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class History:
    """The latest frames, oldest first."""

    xyz: Array  # (window, joints, 3), metres
    valid: Array  # (window, joints), bool
    time: Array  # (window,), seconds


def init(*, skeleton: definitions.Skeleton, window: int = WINDOW) -> History:
    """A history without frames.

    Args:
        skeleton: names the joints.
        window: frames to remember.
    """
    return History(
        xyz=jnp.zeros((window, skeleton.num_joints, 3)),
        valid=jnp.zeros((window, skeleton.num_joints), bool),
        time=jnp.linspace(-2.0 * _PADDING_AGE, -_PADDING_AGE, window),
    )


def update(
    history: History,
    xyz: Float[Array, "joints 3"],
    time: Float[Array, ""],
    *,
    skeleton: definitions.Skeleton,
    valid: Bool[Array, " joints"] | None = None,
    lag: int = LAG,
    schedule: offline.SolverSchedule = ONLINE,
) -> tuple[History, Float[Array, "joints 3"], Bool[Array, " joints"]]:
    """Takes the next pose and gives the refined pose of `lag` frames ago.

    Pure: jit it, with everything after `time` but `valid` static. It is `refine` of the
    history, so it knows nothing later than this pose.

    Args:
        history: of `init` or the push before.
        xyz: joints, metres, any frame at rest.
        time: seconds since the first pose, increasing.
        skeleton: names the joints.
        valid: False for joints that were not observed; None is all.
        lag: frames to wait, less than the history has.
        schedule: how much is computed.

    Returns:
        The history with this pose; the refined joints of `lag` pushes ago, metres, and
        which of them are known (none, before there was such a push).
    """
    valid = jnp.ones(len(xyz), bool) if valid is None else valid
    history = History(
        xyz=jnp.concatenate([history.xyz[1:], xyz[None]]),
        valid=jnp.concatenate([history.valid[1:], valid[None]]),
        time=jnp.concatenate([history.time[1:], time[None]]),
    )
    refined = offline.refine(
        history.xyz,
        skeleton=skeleton,
        valid=history.valid,
        time=history.time,
        schedule=schedule,
    )
    return history, refined.xyz[-1 - lag], refined.valid[-1 - lag]
