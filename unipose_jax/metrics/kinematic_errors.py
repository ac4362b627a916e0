"""Errors of accelerations and bone lengths."""

from jaxtyping import Bool, Float

from unipose_jax import reduction
from unipose_jax.geometry import arrays, numerics
from unipose_jax.physics import finite_differences
from unipose_jax.skeleton import definitions, kinematics


def accel_error(
    xyz: Float[arrays.AnyArray, "*batch time joints 3"],
    target: Float[arrays.AnyArray, "*batch time joints 3"],
    time: Float[arrays.AnyArray, "*batch time"],
    *,
    valid: Bool[arrays.AnyArray, "*batch time joints"],
    max_gap: float = finite_differences.MAX_GAP,
    per_joint: bool = False,
) -> reduction.WeightedMean:
    r"""Mean length of the difference of predicted and true acceleration, m/s^2.

    $\frac{1}{n} \sum_i \lVert \ddot x_i - \ddot t_i \rVert$, from real time stamps,
    irregular spacing allowed. Measures jitter: a constant error of position does not
    count.

    Args:
        xyz: predicted joints, metres, any frame at rest.
        target: true joints, metres, frame of `xyz`.
        time: seconds. Frames that are not in order, or further apart than `max_gap`,
            do not count as neighbours.
        valid: False leaves out every triple of frames that needs the joint.
        max_gap: seconds.
        per_joint: one mean for each joint instead of one for all.
    """
    linked = finite_differences.consecutive(time, max_gap=max_gap)
    counted = valid[..., :-2, :] & valid[..., 1:-1, :] & valid[..., 2:, :]
    counted &= (linked[..., :-1] & linked[..., 1:])[..., None]
    xp = arrays.namespace(xyz, target, valid)
    known = valid[..., None]
    error = xp.where(known, xyz, 0.0) - xp.where(known, target, 0.0)
    size = numerics.safe_norm(finite_differences.acceleration(error, time), axis=-1)
    ones = xp.ones_like(size)
    return reduction.weighted_mean(size, ones, counted, keep_last=per_joint)


@definitions.accepts_name
def bone_length_error(
    xyz: Float[arrays.AnyArray, "*batch joints 3"],
    target: Float[arrays.AnyArray, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    valid: Bool[arrays.AnyArray, "*batch joints"],
    per_bone: bool = False,
) -> reduction.WeightedMean:
    """Mean absolute difference of predicted and true bone lengths, metres.

    Args:
        xyz: predicted joints, metres, any frame.
        target: true joints, metres, any frame.
        skeleton: names the bones.
        valid: False leaves out the bones of a joint, whatever it holds.
        per_bone: one mean for each bone instead of one for all.
    """
    xp = arrays.namespace(xyz, target, valid)
    child, parent = skeleton.bone_ends
    xyz = xp.where(valid[..., None], xyz, 0.0)
    target = xp.where(valid[..., None], target, 0.0)
    error = kinematics.bone_lengths(xyz, skeleton=skeleton)
    error = xp.abs(error - kinematics.bone_lengths(target, skeleton=skeleton))
    counted = valid[..., child] & valid[..., parent]
    ones = xp.ones_like(error)
    return reduction.weighted_mean(error, ones, counted, keep_last=per_bone)
