"""Refinement of a whole sequence of poses."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.refine import noise as noises
from unipose_jax.refine import (
    observations,
    residual_terms,
    robust,
    segments,
    solver,
    swaps,
)
from unipose_jax.skeleton import definitions, kinematics

# A joint is wild where it is this much further from its neighbours in time than noise
# and motion explain, ...
_OUTLIER_RATIO = 3.0
_MEDOID_RADIUS = 3  # ... of which so many to each side count.
# Metres: no bone is known better; left and right differ by so much (ITOP's upper arms
# by 3.2 cm, of which a part is noise).
_MIN_LENGTH_STD, _LEFT_RIGHT_STD = 0.001, 0.02
# Bones are steady. Where their lengths vary by more than what noise explains, joints
# err slowly; so much of it is believed (a joint's definition drifts, too), ...
_LENGTH_VARIATION_SHARE = 0.3
# ... and joints are this much less sure for it at most, metres.
_MAX_SLOW_ERROR = 0.005
# Pixels: at least, and where keypoints are too few to tell.
_UV_NOISE, _UV_UNKNOWN = 0.25, 2.0
_FPS = 30.0


@dataclasses.dataclass(frozen=True)
class SolverSchedule:
    """How much is computed: a step of `solver.gauss_newton` for each pair of settings.

    Settings are those of `terms.evaluate`. They go from wide to narrow, so that what
    seems an outlier at first gets a chance (graduated non-convexity). The first steps
    come before left and right are sorted out, which needs stiff bones; then bones start
    slack, so that wild joints are let go before they drag their neighbours along.
    """

    before_swaps: tuple[tuple[float, float], ...] = ((2.0, 1.0), (1.5, 1.0), (1.0, 1.0))
    after_swaps: tuple[tuple[float, float], ...] = (
        (1.5, 10.0),
        (1.0, 5.0),
        (1.0, 3.0),
        (1.0, 2.0),
        (1.0, 1.0),
    )
    cg_steps: int = 32


OFFLINE = SolverSchedule()


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Refined:
    """Refined poses, and what the sequence told about itself."""

    xyz: Array  # (time, joints, 3), metres, frame of the input
    valid: Array  # (time, joints), bool: observed, or bridged over a short gap
    noise: Array  # (joints,), metres per coordinate, of the input
    segment: Array  # (time,): number of the stretch between cuts
    swapped: Array  # (time, joints), bool: taken from the other side
    length: Array  # (time, bones), metres: of the bones of the person of each frame


def refine(
    xyz: Float[Array, "time joints 3"],
    *,
    skeleton: definitions.Skeleton,
    valid: Bool[Array, "time joints"] | None = None,
    confidence: Float[Array, "time joints"] | None = None,
    time: Float[Array, " time"] | None = None,
    person: Int[Array, " time"] | None = None,
    keypoints: observations.Keypoints | None = None,
    clouds: observations.Clouds | None = None,
    schedule: SolverSchedule = OFFLINE,
) -> Refined:
    r"""Poses that agree with what was observed, with physics and with each other.

    docs/refinement.md. Minimises, over all joints of all frames, Student's t
    log-likelihoods of how far a joint lies from where it was observed (in units of its
    noise), of second differences over time (in units of its motion) and of how far
    bones are from their person's lengths; and the limits of elbows and knees. Noise,
    motion, lengths and how far lengths vary are estimated from the sequence
    (`noise.estimate_levels`): nothing is tuned to a tracker. Cuts part a sequence into
    runs, which share nothing but bone lengths. Joints that were mistaken for those of
    the other side are swapped back, and short gaps are bridged.

    Pure, and differentiable nowhere that matters; `jit` and `vmap` as you like.

    Args:
        xyz: joints, metres, any frame at rest; that of the depth camera with `clouds`.
        skeleton: names the joints.
        valid: False for joints that were not observed, whatever they hold; None is all.
        confidence: of each joint, in [0, 1]; only ratios count. None: all alike.
        time: seconds; None is 30 frames a second.
        person: number, from 0 to time - 1, of who is seen; None is one person. See
            `people.people_of`.
        keypoints: 2D evidence.
        clouds: the person's visible surface.
        schedule: how much is computed.

    Raises:
        ValueError: fewer than three frames, or joints of another skeleton.
    """
    _check_shape(xyz, skeleton)
    count, joints, _ = xyz.shape
    valid = jnp.ones((count, joints), bool) if valid is None else valid
    valid &= jnp.isfinite(xyz).all(axis=-1)
    time = jnp.arange(count, dtype=xyz.dtype) / _FPS if time is None else time
    person = jnp.zeros(count, jnp.int32) if person is None else person
    xyz = jnp.where(valid[..., None], xyz, 0.0)

    segment = segments.find_segments(xyz, time, valid=valid, skeleton=skeleton)
    level = noises.estimate_levels(xyz, valid=valid, segment=segment)
    motion = noises.local_motion(xyz, levels=level, valid=valid, segment=segment)
    filled, known = segments.interpolate_gaps(
        xyz, valid=valid, segment=segment, time=time
    )
    lengths = _bone_lengths(filled, valid, level, person, skeleton)
    problem = residual_terms.Problem(
        observed=filled,
        weight=_relative_confidence(confidence, valid),
        noise=_add_slow_errors(level.noise, lengths["excess"], skeleton),
        motion=motion,
        acceleration_weight=_acceleration_weight(known, segment),
        time=time,
        step=robust.masked_median(jnp.diff(time), segment[1:] == segment[:-1], axis=0),
        length=lengths["length"],
        length_noise=jnp.maximum(
            _LENGTH_VARIATION_SHARE * lengths["excess"], _MIN_LENGTH_STD
        ),
        keypoints=keypoints,
        uv_noise=_uv_noise(keypoints, segment),
        clouds=clouds,
    )
    start = _replace_outliers(filled, valid, segment, level, motion)
    expected = _solve(
        start, problem, skeleton, schedule.before_swaps, schedule.cg_steps
    )
    around = jnp.sqrt(level.noise[None] ** 2 + motion**2)
    wrong = swaps.detect_swaps(
        filled, expected, valid=valid, noise=around, skeleton=skeleton
    )
    problem = dataclasses.replace(
        problem,
        observed=swaps.swap_sides(filled, wrong, skeleton=skeleton),
        weight=swaps.swap_sides(problem.weight, wrong, skeleton=skeleton),
        length=_bone_lengths(expected, valid, level, person, skeleton)["length"],
    )
    return Refined(
        xyz=_solve(
            expected, problem, skeleton, schedule.after_swaps, schedule.cg_steps
        ),
        valid=known,
        noise=level.noise,
        segment=segment,
        swapped=wrong,
        length=problem.length,
    )


def _check_shape(xyz, skeleton):
    count, joints, _ = xyz.shape
    if count < 3:
        raise ValueError(f"refinement needs three frames or more, got {count}")
    if joints != skeleton.num_joints:
        raise ValueError(
            f"{joints} joints, but skeleton {skeleton.name} has {skeleton.num_joints}"
        )


def _solve(start, problem, skeleton, schedule, cg_steps):
    return solver.gauss_newton(
        lambda x, settings: residual_terms.evaluate(
            x, settings, problem=problem, skeleton=skeleton
        ),
        start,
        schedule=jnp.asarray(schedule, start.dtype),
        scale=lambda settings: _scale(problem, skeleton, slack=settings[1]),
        cg_steps=cg_steps,
    )


def _scale(problem, skeleton, *, slack):
    """About the inverse root of the curvature of the terms that always act."""
    precision = problem.weight / problem.noise[None] ** 2
    steady = jnp.pad(problem.acceleration_weight, ((1, 1), (0, 0)))
    precision = precision + 6.0 * steady / problem.motion**2
    stiff = 1.0 / (3.0 * (slack * problem.length_noise) ** 2)  # a third is along x
    for end in np.asarray(skeleton.bones, np.int32).T:
        precision = precision.at[:, end].add(stiff)
    scale = jnp.where(precision > 0.0, precision, 1.0) ** -0.5
    return jnp.broadcast_to(scale[..., None], problem.observed.shape)


def _acceleration_weight(known, segment):
    """One where a joint is known in a frame and both its neighbours of one run."""
    three = (
        known[2:] & known[1:-1] & known[:-2] & (segment[2:] == segment[:-2])[:, None]
    )
    return three.astype(jnp.float32)


def _relative_confidence(confidence, valid):
    """How sure each joint is, against the median one."""
    if confidence is None:
        return valid.astype(jnp.float32)
    everything = valid.reshape(-1)
    median = robust.masked_median(confidence.reshape(-1), everything, axis=0)
    relative = confidence / jnp.where(median > 0.0, median, 1.0)
    return jnp.where(valid, jnp.clip(relative, 0.0, 3.0), 0.0)


def _replace_outliers(xyz, valid, segment, level, motion):
    """Where to start: wild joints at the most central of their neighbours in time."""
    around = robust.temporal_neighbors(xyz, radius=_MEDOID_RADIUS)
    used = robust.temporal_neighbors(valid, radius=_MEDOID_RADIUS)
    used &= (
        robust.temporal_neighbors(segment, radius=_MEDOID_RADIUS, fill=-1)
        == segment[None]
    )[..., None]
    distance = jnp.sqrt(jnp.sum((around[:, None] - around[None]) ** 2, axis=-1))
    distance = jnp.sum(jnp.where(used[None], distance, 0.0), axis=1)
    best = jnp.argmin(jnp.where(used, distance, jnp.inf), axis=0)
    medoid = jnp.take_along_axis(around, best[None, ..., None], axis=0)[0]
    sq = jnp.sum((xyz - medoid) ** 2, axis=-1)
    usual_sq = 3.0 * level.noise[None] ** 2 + 2.0 * motion**2
    wild = valid & (sq > _OUTLIER_RATIO**2 * usual_sq)
    return jnp.where(wild[..., None], medoid, xyz)


def _bone_lengths(xyz, valid, level, person, skeleton):
    """Lengths of each person's bones, and how far they vary beyond the noise."""
    child, parent = skeleton.bone_ends
    measured = kinematics.bone_lengths(xyz, skeleton=skeleton)
    known = valid[:, child] & valid[:, parent]
    by_bone = jax.vmap(robust.grouped_median, in_axes=(1, 1, None), out_axes=1)
    median, number = by_bone(measured, known, person)
    strayed = jnp.abs(measured - median[person])
    spread = 1.4826 * robust.masked_median(strayed, known, axis=0)
    noise_sq = level.noise[child] ** 2 + level.noise[parent] ** 2
    excess = jnp.sqrt(jnp.maximum(spread**2 - noise_sq, 0.0))
    pooled = _pool_left_right(median, number, spread, skeleton)
    return {"length": pooled[person], "excess": excess}


def _add_slow_errors(noise, excess, skeleton):
    """Noise of joints, and what the varying lengths of their bones add to it."""
    each_end = jnp.minimum(excess / np.sqrt(2.0), _MAX_SLOW_ERROR)
    for end in np.asarray(skeleton.bones, np.int32).T:
        noise = noise.at[end].max(each_end)
    return noise


def _pool_left_right(median, number, spread, skeleton):
    """Left and right bones alike, as far as few frames cannot tell them apart."""
    if not skeleton.bone_pairs:
        return median
    left, right = np.asarray(skeleton.bone_pairs, np.int32).T
    partner = np.arange(median.shape[1])
    partner[left], partner[right] = right, left
    other, other_number = median[:, partner], number[:, partner]
    error_sq = spread[None] ** 2 / jnp.maximum(number, 1)
    other_sq = (
        spread[None, partner] ** 2 / jnp.maximum(other_number, 1) + _LEFT_RIGHT_STD**2
    )
    own = jnp.where(number > 0, other_sq / (error_sq + other_sq), 0.0)
    own = jnp.where(other_number > 0, own, 1.0)
    return own * median + (1.0 - own) * other


def _uv_noise(keypoints, segment):
    if keypoints is None:
        return None
    known = keypoints.confidence > 0.0
    uv = jnp.where(known[..., None], keypoints.uv, 0.0)
    return noises.estimate_levels(
        uv, valid=known, segment=segment, minimum=_UV_NOISE, default=_UV_UNKNOWN
    ).noise
