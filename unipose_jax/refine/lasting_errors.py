"""Errors that last for several frames: their size and their correlation over time.

The errors of networks and trackers change slowly, and look like motion. Differences
over time, as in `noise`, do not find them; differences between independent observations
do: 2D keypoints against 3D joints, and bone lengths, which are constant.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.geometry import camera, transforms
from unipose_jax.physics import finite_differences
from unipose_jax.refine import observations, robust
from unipose_jax.skeleton import definitions, kinematics

# Largest correlation of errors in successive frames. Beyond it, an error is an offset,
# which a correlation over a few frames cannot tell from motion.
MAX_CORRELATION = 0.9
# Median of the absolute value of a standard normal variable.
_MEDIAN_NORMAL = 0.6745


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ErrorLevels:
    """Standard deviations per coordinate, and correlations in successive frames."""

    noise: Array  # (joints,), metres, of the joints
    uv_noise: Array  # (joints,), pixels, of the keypoints
    correlation: Array  # (), of the errors of joints
    uv_correlation: Array  # (joints,), of the errors of keypoints


@definitions.accepts_name
def from_keypoints(
    xyz: Float[Array, "time joints 3"],
    *,
    keypoints: observations.Keypoints,
    valid: Bool[Array, "time joints"],
    segment: Int[Array, " time"],
    noise: Float[Array, " joints"],
    uv_noise: Float[Array, " joints"],
    skeleton: definitions.Skeleton,
) -> ErrorLevels:
    r"""Separates the errors of joints and of keypoints.

    The difference d between projected joints and keypoints has no motion in it. With
    AR(1) errors of variance s^2 and correlation p on top of white ones, its covariance
    at a lag of k frames is s^2 p^k for k > 0. The lasting part belongs to the joints up
    to the size that the variation of bone lengths allows (`bone_variance`), and beyond
    it to the keypoints. All variances come from medians.

    Args:
        xyz: joints, metres.
        keypoints: their observations in 2D.
        valid: joints with False are ignored.
        segment: covariances are computed within a segment.
        noise: white noise of the joints (`noise.estimate_levels`), metres.
        uv_noise: white noise of the keypoints, pixels.
        skeleton: skeleton of the joints.
    """
    offset, pixels, known = _offsets(xyz, keypoints, valid)
    total = _variance(offset, known)
    covariance = [
        jnp.maximum(total - _step_variance(offset, known, segment, lag), 0.0)
        for lag in (1, 2, 3)
    ]
    # Over all joints, because the covariance of one joint is uncertain.
    first, _, third = (jnp.sum(part) for part in covariance)
    decay = jnp.sqrt(third / jnp.maximum(first, 1e-12))
    decay = jnp.clip(decay, 0.1, MAX_CORRELATION)
    lasting = jnp.minimum(covariance[0] / decay, total)
    bound = bone_variance(
        xyz, valid=valid, segment=segment, share=lasting, skeleton=skeleton
    )
    own = jnp.minimum(lasting, jnp.maximum(bound, 0.0))
    white, uv_white = noise**2, (uv_noise / pixels) ** 2
    # What remains of the total is white; it is shared as the sequences vary.
    rest = jnp.maximum(total - lasting, 0.0)
    share = white / jnp.maximum(white + uv_white, 1e-12)
    joint_sq = jnp.maximum(own + share * rest, white)
    uv_sq = jnp.maximum(lasting - own + (1.0 - share) * rest, uv_white)
    enough = jnp.sum(known, axis=0) >= _LEAST_FRAMES
    return ErrorLevels(
        noise=jnp.where(enough, jnp.sqrt(joint_sq), noise),
        uv_noise=jnp.where(enough, jnp.sqrt(uv_sq) * pixels, uv_noise),
        correlation=jnp.where(enough, decay * own / joint_sq, 0.0),
        uv_correlation=jnp.where(enough, decay * (lasting - own) / uv_sq, 0.0),
    )


# Frames with a keypoint that suffice to estimate a variance from their median.
_LEAST_FRAMES = 16


def _offsets(xyz, keypoints, valid):
    """Keypoints minus joints, metres at the joints' depth; pixels per metre; mask."""
    in_camera = transforms.apply(keypoints.cam_from_xyz, xyz)
    z = in_camera[..., 2]
    known = valid & (keypoints.confidence > 0.0) & (z > 0.1)
    safe = jnp.where(known[..., None], in_camera, jnp.array([[[0.0, 0.0, 1.0]]]))
    uv = jnp.where(known[..., None], keypoints.uv, 0.0)
    focal = keypoints.intrinsics[:2]
    difference = uv - camera.uv_from_xyz(safe, keypoints.intrinsics)
    offset = difference * safe[..., 2:] / focal[None, None]
    pixels = jnp.mean(focal) / jnp.maximum(robust.masked_median(z, known, axis=0), 0.1)
    return jnp.where(known[..., None], offset, 0.0), pixels, known


def _variance(values, known):
    """Robust variance per component around zero: (time, joints, d) -> (joints,)."""
    number, joints, parts = values.shape
    rows = jnp.moveaxis(values, 1, -1).reshape(number * parts, joints)
    used = jnp.repeat(known, parts, axis=0)
    median = robust.masked_median(jnp.abs(rows), used, axis=0)
    return (median / _MEDIAN_NORMAL) ** 2


def _step_variance(values, known, segment, lag):
    """Half of the variance of differences over a lag: variance minus covariance."""
    if len(values) <= lag:
        return jnp.full(values.shape[1], jnp.inf)
    both = known[lag:] & known[:-lag] & (segment[lag:] == segment[:-lag])[:, None]
    return 0.5 * _variance(values[lag:] - values[:-lag], both)


@definitions.accepts_name
def bone_variance(
    xyz: Float[Array, "time joints 3"],
    *,
    valid: Bool[Array, "time joints"],
    segment: Int[Array, " time"],
    share: Float[Array, " joints"],
    skeleton: definitions.Skeleton,
) -> Float[Array, " joints"]:
    """Upper bound of the error variance of each joint from its bones' lengths, m^2.

    The variance of a bone's length around its median, divided between its two joints in
    proportion to `share`, and averaged over the bones of a joint. It contains
    variations of the true length.

    Args:
        xyz: joints, metres.
        valid: joints with False are ignored.
        segment: not used across people: lengths are compared within a segment.
        share: relative error variance of each joint, in any unit.
        skeleton: skeleton of the joints.
    """
    child, parent = skeleton.bone_ends
    length = kinematics.bone_lengths(xyz, skeleton=skeleton)
    known = valid[:, child] & valid[:, parent]
    by_bone = jax.vmap(robust.grouped_median, in_axes=(1, 1, None), out_axes=1)
    median, _ = by_bone(length, known, segment)
    spread = jnp.sqrt(_variance((length - median[segment])[..., None], known))
    usual = robust.masked_median(length, known, axis=0)
    of_both = robust.noise_of_length(usual, spread) ** 2
    share = jnp.maximum(share, 1e-9)
    ends = jnp.concatenate([child, parent])
    own = jnp.tile(of_both / (share[child] + share[parent]), 2) * share[ends]
    total = jnp.zeros(skeleton.num_joints).at[ends].add(own)
    number = jnp.zeros(skeleton.num_joints).at[ends].add(1.0)
    return total / jnp.maximum(number, 1.0)


def at_frames(
    correlation: Float[Array, "*joints"],
    *,
    valid: Bool[Array, "time joints"],
    segment: Int[Array, " time"],
    time: Float[Array, " time"],
    step: Float[Array, ""],
) -> Float[Array, "time joints"]:
    """Correlation of each error with that of the frame before; 0 if it is unknown.

    Args:
        correlation: at the usual time between frames.
        valid: the observed joints.
        segment: errors of different segments are independent.
        time: seconds.
        step: the usual time between frames, seconds.
    """
    steps = finite_differences.time_steps(time)[:, None] / jnp.maximum(step, 1e-6)
    kept = jnp.broadcast_to(correlation, valid.shape)[1:] ** steps
    both = valid[1:] & valid[:-1] & (segment[1:] == segment[:-1])[:, None]
    return jnp.pad(jnp.where(both, kept, 0.0), ((1, 0), (0, 0)))


def fuse(
    xyz: Float[Array, "time joints 3"],
    *,
    keypoints: observations.Keypoints,
    valid: Bool[Array, "time joints"],
    noise: Float[Array, " joints"],
    uv_noise: Float[Array, " joints"],
) -> Float[Array, "time joints 3"]:
    """Moves joints towards the rays of their keypoints, by the inverse variances.

    The depth in the camera of the keypoints stays.

    Args:
        xyz: joints, metres.
        keypoints: their observations in 2D.
        valid: joints with False stay.
        noise: of the joints, metres.
        uv_noise: of the keypoints, pixels.
    """
    offset, pixels, known = _offsets(xyz, keypoints, valid)
    gain = noise**2 / (noise**2 + (uv_noise / pixels) ** 2)
    move = jnp.pad(offset * gain[None, :, None], ((0, 0), (0, 0), (0, 1)))
    move = jnp.einsum(
        "ji,tkj->tki", keypoints.cam_from_xyz[:3, :3], move, precision="highest"
    )
    return jnp.where(known[..., None], xyz + move, xyz)
