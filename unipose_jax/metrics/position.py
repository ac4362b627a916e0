"""Errors of joint positions: distances, and shares of joints within a threshold."""

import numpy as np
from jaxtyping import Bool, Float

from unipose_jax import reduction
from unipose_jax.geometry import arrays, numerics, transforms

# Fewest joints that determine a similarity alignment.
MIN_ALIGNED = 3


def mpjpe(
    xyz: Float[arrays.AnyArray, "*batch joints 3"],
    target: Float[arrays.AnyArray, "*batch joints 3"],
    *,
    valid: Bool[arrays.AnyArray, "*batch joints"],
    per_joint: bool = False,
) -> reduction.WeightedMean:
    r"""Mean per-joint position error (MPJPE), metres.

    $$ \frac{1}{n} \sum_i \lVert x_i - t_i \rVert $$

    over all valid joints $x_i$ with true positions $t_i$.

    Args:
        xyz: predicted joints, metres.
        target: true joints, metres, frame of `xyz`.
        valid: False leaves a joint out, whatever it holds.
        per_joint: one mean for each joint instead of one for all.
    """
    error = _distance(xyz, target, valid)
    return _mean(error, valid, per_joint)


def root_mpjpe(
    xyz: Float[arrays.AnyArray, "*batch joints 3"],
    target: Float[arrays.AnyArray, "*batch joints 3"],
    *,
    valid: Bool[arrays.AnyArray, "*batch joints"],
    root: tuple[int, ...],
    counted: Bool[arrays.AnyArray, "*batch joints"] | None = None,
    per_joint: bool = False,
) -> reduction.WeightedMean:
    """MPJPE, metres, after translation of the predicted root onto the true one.

    The zero error of the root itself is included, as in the literature.

    Args:
        xyz: predicted joints, metres.
        target: true joints, metres, frame of `xyz`.
        valid: False leaves a joint out, whatever it holds; frames whose root is not
            valid are left out.
        root: joints whose mean is the root (`metrics.root`).
        counted: averages over these of the valid joints.
        per_joint: one mean for each joint instead of one for all.
    """
    xp = arrays.namespace(xyz, target, valid)
    rooted = valid & xp.all(valid[..., np.asarray(root)], axis=-1, keepdims=True)
    xyz, target = _masked(xyz, rooted), _masked(target, rooted)
    shift = target[..., np.asarray(root), :] - xyz[..., np.asarray(root), :]
    shift = xp.mean(shift, axis=-2, keepdims=True)
    error = _distance(xyz + shift, target, rooted)
    return _mean(error, _counted(rooted, counted), per_joint)


def pa_mpjpe(
    xyz: Float[arrays.AnyArray, "*batch joints 3"],
    target: Float[arrays.AnyArray, "*batch joints 3"],
    *,
    valid: Bool[arrays.AnyArray, "*batch joints"],
    counted: Bool[arrays.AnyArray, "*batch joints"] | None = None,
    per_joint: bool = False,
) -> reduction.WeightedMean:
    r"""MPJPE, metres, after Procrustes alignment of each frame to its truth.

    $$ \frac{1}{n} \sum_i \lVert s R x_i + b - t_i \rVert, $$

    where scale $s$, rotation $R$ and translation $b$ of each frame minimise the squared
    distances (`transforms.similarity_align`).

    Args:
        xyz: predicted joints, metres.
        target: true joints, metres.
        valid: False leaves a joint out of alignment and mean, whatever it holds; frames
            with fewer than three valid joints are left out.
        counted: averages over these of the valid joints; all valid joints are aligned.
        per_joint: one mean for each joint instead of one for all.
    """
    xp = arrays.namespace(xyz, target, valid)
    count = xp.sum(valid, axis=-1, keepdims=True)
    valid = valid & (count >= MIN_ALIGNED)
    xyz, target = _masked(xyz, valid), _masked(target, valid)
    aligned = transforms.similarity_align(xyz, target, weight=valid.astype(xyz.dtype))
    error = _distance(aligned, target, valid)
    return _mean(error, _counted(valid, counted), per_joint)


def pck(
    xyz: Float[arrays.AnyArray, "*batch joints 3"],
    target: Float[arrays.AnyArray, "*batch joints 3"],
    *,
    valid: Bool[arrays.AnyArray, "*batch joints"],
    threshold: float = 0.10,
    per_joint: bool = False,
) -> reduction.WeightedMean:
    """Share of joints within a threshold of the truth, in [0, 1].

    Args:
        xyz: predicted joints, metres.
        target: true joints, metres, frame of `xyz`.
        valid: False leaves a joint out, whatever it holds.
        threshold: metres.
        per_joint: one share for each joint instead of one for all.
    """
    within = _distance(xyz, target, valid) < threshold
    return _mean(within.astype(xyz.dtype), valid, per_joint)


def map_10cm(
    xyz: Float[arrays.AnyArray, "*batch joints 3"],
    target: Float[arrays.AnyArray, "*batch joints 3"],
    *,
    valid: Bool[arrays.AnyArray, "*batch joints"],
) -> reduction.WeightedMean:
    """Mean over joints of the share of frames within 10 cm, in [0, 1].

    The ITOP papers call it mAP@10cm. It is not a detection AP: nothing is ranked, and
    every person is given. The share of each joint is over all frames, and the mean over
    all joints that are valid in any frame. For several batches, add
    `pck(..., per_joint=True)` and average at the end, as `metrics.summarize` does.

    Args:
        xyz: predicted joints, metres.
        target: true joints, metres, frame of `xyz`.
        valid: False leaves a joint out, whatever it holds.
    """
    xp = arrays.namespace(xyz, target, valid)
    shares = pck(xyz, target, valid=valid, threshold=0.10, per_joint=True)
    seen = (shares.weight > 0).astype(xyz.dtype)
    return reduction.WeightedMean(xp.sum(shares.mean()), xp.sum(seen))


def auc(
    xyz: Float[arrays.AnyArray, "*batch joints 3"],
    target: Float[arrays.AnyArray, "*batch joints 3"],
    *,
    valid: Bool[arrays.AnyArray, "*batch joints"],
    max_threshold: float = 0.15,
    num_thresholds: int = 31,
    per_joint: bool = False,
) -> reduction.WeightedMean:
    """Area under the curve of `pck` over its threshold, in [0, 1].

    The mean of `pck` at equally spaced thresholds from 0 to `max_threshold`, both
    included: 0, 5, ..., 150 mm, as in D. Mehta et al., 3DV 2017 (MPI-INF-3DHP).

    Args:
        xyz: predicted joints, metres.
        target: true joints, metres, frame of `xyz`.
        valid: False leaves a joint out, whatever it holds.
        max_threshold: metres.
        num_thresholds: number of thresholds.
        per_joint: one area for each joint instead of one for all.
    """
    error = _distance(xyz, target, valid)
    xp = arrays.namespace(error)
    thresholds = xp.linspace(0.0, max_threshold, num_thresholds, dtype=error.dtype)
    thresholds = thresholds.reshape((1,) * error.ndim + (-1,))
    within = xp.mean(error[..., None] < thresholds, axis=-1)
    return _mean(within.astype(xyz.dtype), valid, per_joint)


def _counted(
    valid: arrays.AnyArray, counted: arrays.AnyArray | None
) -> arrays.AnyArray:
    return valid if counted is None else valid & counted


def _masked(xyz: arrays.AnyArray, valid: arrays.AnyArray) -> arrays.AnyArray:
    xp = arrays.namespace(xyz, valid)
    return xp.where(valid[..., None], xyz, 0.0)


def _distance(
    xyz: arrays.AnyArray, target: arrays.AnyArray, valid: arrays.AnyArray
) -> arrays.AnyArray:
    return numerics.safe_norm(_masked(xyz, valid) - _masked(target, valid), axis=-1)


def _mean(
    values: arrays.AnyArray, valid: arrays.AnyArray, keep_last: bool
) -> reduction.WeightedMean:
    ones = arrays.namespace(values).ones_like(values)
    return reduction.weighted_mean(values, ones, valid, keep_last=keep_last)
