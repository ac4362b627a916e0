"""All metrics of a set of poses: sums over batches, then one table."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from unipose_jax import reduction
from unipose_jax.geometry import arrays
from unipose_jax.metrics import groups, kinematic_errors, position
from unipose_jax.skeleton import definitions


@definitions.accepts_name
def accumulate(
    xyz: Float[arrays.AnyArray, "*batch time joints 3"],
    target: Float[arrays.AnyArray, "*batch time joints 3"],
    *,
    valid: Bool[arrays.AnyArray, "*batch time joints"],
    skeleton: definitions.Skeleton,
    time: Float[arrays.AnyArray, "*batch time"] | None = None,
    counted: Bool[arrays.AnyArray, "*batch time joints"] | None = None,
) -> dict[str, reduction.WeightedMean]:
    """Sums of errors of joints and bones, from which `summarize` makes the metrics.

    Add the results of batches with `jax.tree.map(jnp.add, a, b)`, of devices with
    `jax.lax.psum`. Without a root in the skeleton (`groups.root`), errors relative to
    the root are left out.

    Args:
        xyz: predicted joints, metres.
        target: true joints, metres, frame of `xyz`.
        valid: False leaves a joint out, whatever it holds.
        skeleton: of both poses.
        time: seconds from an origin near the clip, since float32 keeps 0.1 ms only up
            to some 20 minutes; None leaves accelerations out.
        counted: averages over a part of the valid joints, such as the occluded ones.
            Poses are still aligned by all valid joints. Bones count where both ends
            do, accelerations where three frames in a row do.

    Returns:
        Means per joint or bone, metres or shares, not yet divided.
    """
    aligned: dict[str, Callable] = {"aligned": position.pa_mpjpe}
    if groups.has_root(skeleton):
        root = groups.root(skeleton)
        aligned["rooted"] = functools.partial(position.root_mpjpe, root=root)
    sums = {
        name: metric(xyz, target, valid=valid, counted=counted, per_joint=True)
        for name, metric in aligned.items()
    }
    valid = valid if counted is None else valid & counted
    compared: dict[str, Callable] = {
        "distance": position.mpjpe,
        "within_10cm": functools.partial(position.pck, threshold=0.10),
        "auc": position.auc,
    }
    sums |= {
        name: metric(xyz, target, valid=valid, per_joint=True)
        for name, metric in compared.items()
    }
    sums["bone_length"] = kinematic_errors.bone_length_error(
        xyz, target, valid=valid, skeleton=skeleton, per_bone=True
    )
    sums["frames"] = _count_frames(valid, xyz.dtype)
    if time is not None:
        sums["acceleration"] = kinematic_errors.accel_error(
            xyz, target, time, valid=valid, per_joint=True
        )
    return sums


@definitions.accepts_name
def summarize(
    sums: Mapping[str, reduction.WeightedMean], *, skeleton: definitions.Skeleton
) -> dict[str, float | int | dict[str, float]]:
    """The metrics of accumulated sums; NaN where nothing was measured.

    `map_10cm` is the mean over joints of the share of frames within 10 cm (called
    mAP@10cm in the ITOP papers; it is not a detection AP); `map_10cm_upper` and
    `map_10cm_lower` are over the joints of the upper and lower body. The other means
    are over all valid joints of all frames.

    Args:
        sums: of `accumulate`, added up.
        skeleton: of the poses.

    Returns:
        `_mm`: millimetres. `map_`, `pck_`, `auc`: shares in [0, 1]. `accel_error`:
        m/s^2. `pck_10cm` and `joint_mpjpe_mm` are by joint name.
    """
    shares = _by_joint(sums["within_10cm"])
    errors = 1000.0 * _by_joint(sums["distance"])
    return {
        "num_frames": int(sums["frames"].total),
        "mpjpe_mm": 1000.0 * _pooled(sums["distance"]),
        "pa_mpjpe_mm": 1000.0 * _pooled(sums["aligned"]),
        "root_mpjpe_mm": 1000.0 * _pooled(sums.get("rooted")),
        "map_10cm": _mean_known(shares),
        "map_10cm_upper": _mean_known(shares, groups.upper_body(skeleton)),
        "map_10cm_lower": _mean_known(shares, groups.lower_body(skeleton)),
        "auc": _pooled(sums["auc"]),
        "accel_error": _pooled(sums.get("acceleration")),
        "bone_length_error_mm": 1000.0 * _pooled(sums["bone_length"]),
        "pck_10cm": dict(zip(skeleton.joints, shares.tolist(), strict=True)),
        "joint_mpjpe_mm": dict(zip(skeleton.joints, errors.tolist(), strict=True)),
    }


@definitions.accepts_name
def summary(
    xyz: Float[arrays.AnyArray, "*batch time joints 3"],
    target: Float[arrays.AnyArray, "*batch time joints 3"],
    *,
    valid: Bool[arrays.AnyArray, "*batch time joints"],
    skeleton: definitions.Skeleton,
    time: Float[arrays.AnyArray, "*batch time"] | None = None,
    counted: Bool[arrays.AnyArray, "*batch time joints"] | None = None,
) -> dict[str, float | int | dict[str, float]]:
    """The metrics of one set of poses: `summarize` of `accumulate`.

    Args:
        xyz: predicted joints, metres.
        target: true joints, metres, frame of `xyz`.
        valid: False leaves a joint out, whatever it holds.
        skeleton: of both poses.
        time: as in `accumulate`; None leaves accelerations out (NaN).
        counted: as in `accumulate`.
    """
    sums = accumulate(
        xyz, target, valid=valid, skeleton=skeleton, time=time, counted=counted
    )
    return summarize(sums, skeleton=skeleton)


def _count_frames(valid: arrays.AnyArray, dtype) -> reduction.WeightedMean:
    xp = arrays.namespace(valid)
    frames = xp.sum(xp.any(valid, axis=-1).astype(dtype))
    return reduction.WeightedMean(frames, xp.ones_like(frames))


def _by_joint(sums: reduction.WeightedMean) -> np.ndarray:
    known = np.asarray(sums.weight) > 0
    return np.where(known, np.asarray(sums.mean(), np.float64), np.nan)


def _pooled(sums: reduction.WeightedMean | None) -> float:
    if sums is None or not np.sum(sums.weight) > 0:
        return math.nan
    total = np.sum(np.asarray(sums.total, np.float64))
    return float(total / np.sum(np.asarray(sums.weight, np.float64)))


def _mean_known(shares: np.ndarray, joints: Sequence[int] | None = None) -> float:
    chosen = shares if joints is None else shares[np.asarray(joints, np.int32)]
    known = chosen[np.isfinite(chosen)]
    return float(known.mean()) if known.size else math.nan
