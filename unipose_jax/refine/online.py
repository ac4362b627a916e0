"""Online refinement of poses, with a delay of a few frames."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.refine import observations, offline
from unipose_jax.skeleton import definitions

# Number of frames used for an online pose, and how many of them are later ones.
WINDOW, LAG = 24, 5
# Few steps are enough, because successive windows differ by only one frame.
ONLINE = offline.SolverSchedule(
    before_swaps=((1.5, 3.0),), after_swaps=((1.0, 1.0),), cg_steps=18
)
_PADDING_AGE = 1e3  # seconds


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class History:
    """The most recent frames, oldest first."""

    xyz: Array  # (window, joints, 3), metres
    valid: Array  # (window, joints), bool
    time: Array  # (window,), seconds
    # of the frames in the history; None where there are no keypoints
    keypoints: observations.Keypoints | None = None


@definitions.accepts_name
def init(
    *,
    skeleton: definitions.Skeleton,
    window: int = WINDOW,
    intrinsics: Float[Array, " 4"] | None = None,
    cam_from_xyz: Float[Array, "4 4"] | None = None,
) -> History:
    """Returns an empty history.

    Args:
        skeleton: skeleton of the joints.
        window: number of frames to keep.
        intrinsics: (fx, fy, cx, cy), pixels, of the camera of 2D keypoints. None: no
            keypoints.
        cam_from_xyz: rigid, metres, from the joints' frame to that camera. None: same.
    """
    keypoints = None
    if intrinsics is not None:
        keypoints = observations.Keypoints(
            uv=jnp.zeros((window, skeleton.num_joints, 2)),
            confidence=jnp.zeros((window, skeleton.num_joints)),
            intrinsics=jnp.asarray(intrinsics),
            cam_from_xyz=jnp.eye(4) if cam_from_xyz is None else cam_from_xyz,
        )
    return History(
        keypoints=keypoints,
        xyz=jnp.zeros((window, skeleton.num_joints, 3)),
        valid=jnp.zeros((window, skeleton.num_joints), bool),
        time=jnp.linspace(-2.0 * _PADDING_AGE, -_PADDING_AGE, window),
    )


@definitions.accepts_name
def update(
    history: History,
    xyz: Float[Array, "joints 3"],
    time: Float[Array, ""],
    *,
    skeleton: definitions.Skeleton,
    valid: Bool[Array, " joints"] | None = None,
    uv: Float[Array, "joints 2"] | None = None,
    uv_confidence: Float[Array, " joints"] | None = None,
    lag: int = LAG,
    schedule: offline.SolverSchedule = ONLINE,
) -> tuple[History, Float[Array, "joints 3"], Bool[Array, " joints"]]:
    """Adds a pose to the history and returns the refined pose of `lag` frames earlier.

    Applies `refine` to the history, so the result depends on no later pose. The
    function is pure. Under `jit`, `skeleton`, `lag` and `schedule` must be static.

    Args:
        history: result of `init` or of the previous update.
        xyz: joints, metres, any static frame.
        time: seconds since the first pose, increasing.
        skeleton: skeleton of the joints.
        valid: False for joints that were not observed. None: all are valid.
        uv: 2D keypoints of this frame, pixels; only for a history with a camera. None:
            not detected in this frame.
        uv_confidence: of the keypoints, in [0, 1]. None: all 1.
        lag: delay in frames, less than the length of the history.
        schedule: solver steps.

    Returns:
        The history with this pose; the refined joints of `lag` updates earlier, metres;
        and which of them are known (none if there was no such update).

    Raises:
        ValueError: there are keypoints, but the history has no camera.
    """
    valid = jnp.ones(len(xyz), bool) if valid is None else valid
    history = History(
        xyz=jnp.concatenate([history.xyz[1:], xyz[None]]),
        valid=jnp.concatenate([history.valid[1:], valid[None]]),
        time=jnp.concatenate([history.time[1:], time[None]]),
        keypoints=_add_keypoints(history.keypoints, uv, uv_confidence),
    )
    refined = offline.refine(
        history.xyz,
        skeleton=skeleton,
        valid=history.valid,
        time=history.time,
        keypoints=history.keypoints,
        schedule=schedule,
    )
    return history, refined.xyz[-1 - lag], refined.valid[-1 - lag]


def _add_keypoints(keypoints, uv, confidence):
    """Keypoints of the history with those of a new frame."""
    if keypoints is None:
        if uv is not None:
            raise ValueError("2D keypoints need `init(intrinsics=...)`")
        return None
    if uv is None:
        uv, confidence = jnp.zeros_like(keypoints.uv[0]), jnp.zeros(())
    if confidence is None:
        confidence = jnp.ones(())
    seen = jnp.broadcast_to(confidence, keypoints.confidence.shape[1:])
    return dataclasses.replace(
        keypoints,
        uv=jnp.concatenate([keypoints.uv[1:], uv[None]]),
        confidence=jnp.concatenate([keypoints.confidence[1:], seen[None]]),
    )
