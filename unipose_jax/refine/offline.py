"""Refinement of a whole sequence of poses."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from unipose_jax import compiling
from unipose_jax.geometry import camera
from unipose_jax.refine import (
    bone_statistics,
    lasting_errors,
    observations,
    residual_terms,
    robust,
    side_sequences,
    solver,
    swaps,
    tracks,
)
from unipose_jax.refine import noise as noises
from unipose_jax.skeleton import definitions, units

# Metres: least standard deviation of a bone length.
_MIN_LENGTH_STD = 0.001
# Variation of bone lengths beyond the noise is a slow error of the joints. This share
# of it is accepted, because the definition of a joint also drifts.
_LENGTH_VARIATION_SHARE = 0.3
# Pixels: least noise of keypoints, and noise where there are too few to estimate it.
_UV_NOISE, _UV_UNKNOWN = 0.25, 2.0
_FPS = 30.0
# Frames up to which a solution takes less time than optimising its program.
_SHORT = 256


@dataclasses.dataclass(frozen=True)
class SolverSchedule:
    """Solver steps: one step of `solver.gauss_newton` per pair of settings.

    The settings (width, slack) are those of `residual_terms.evaluate`. The width
    decreases, so that apparent outliers can become inliers (graduated non-convexity).
    The first steps precede the correction of left/right swaps, which needs stiff bones.
    In the later steps bones start with slack, so that outliers lose their weight before
    they pull on neighbouring joints.
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
    """Refined poses, and estimates from the sequence."""

    xyz: Array  # (time, joints, 3), metres, frame of the input
    valid: Array  # (time, joints), bool: observed, or interpolated in a short gap
    noise: Array  # (joints,), metres per coordinate, noise of the input
    segment: Array  # (time,): number of the segment between cuts
    swapped: Array  # (time, joints), bool: left and right were swapped
    length: Array  # (time, bones), metres: bone lengths of the person in each frame


@definitions.accepts_name
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
    prior: observations.Prior | None = None,
    schedule: SolverSchedule = OFFLINE,
) -> Refined:
    r"""Refines a sequence of poses by robust least squares over all frames.

    Minimises the sum of negative Student's t log-likelihoods of the distance of each
    joint from its observation (in units of its noise), of second differences over time
    (in units of its motion) and of the difference between bone lengths and those of the
    person; plus penalties for elbows and knees beyond their limits. Noise, motion, bone
    lengths and their variation are estimated from the sequence
    (`noise.estimate_levels`), so nothing is tuned to a tracker. Cuts divide the
    sequence into segments, which share only the bone lengths. Left/right swaps are
    corrected and short gaps are interpolated. docs/refinement.md has the details.

    The function is pure and works under `jit` and `vmap`; without them, its parts are
    compiled, once per shape. It is not meant to be differentiated.

    Args:
        xyz: joints, metres, any static frame; with `clouds`, that of the depth camera.
        skeleton: skeleton of the joints.
        valid: False for joints that were not observed; these are ignored, even if NaN.
            None: all are valid.
        confidence: confidence of each joint, in [0, 1]; only ratios matter. A joint of
            confidence 0 counts as not observed. None: all equal.
        time: seconds. None: 30 frames per second.
        person: person number of each frame, from 0 to time - 1. None: one person. See
            `person_ids.assign_person_ids`.
        keypoints: observed 2D keypoints.
        clouds: points on the visible surface of the person.
        prior: joints predicted by a model of human motion.
        schedule: solver steps.

    Raises:
        ValueError: there are fewer than three frames, or the number of joints is not
            that of the skeleton; outside `jit`, also where joints are not in metres or
            times not in seconds.
    """
    _check_shape(xyz, skeleton)
    count, joints, _ = xyz.shape
    # Made by NumPy, for which nothing is compiled.
    if valid is None:
        valid = jax.device_put(np.ones((count, joints), bool))
    _check_units(xyz, time, valid, confidence, skeleton)
    if time is None:
        time = jax.device_put(np.arange(count, dtype=xyz.dtype) / np.float32(_FPS))
    if person is None:
        person = jax.device_put(np.zeros(count, np.int32))
    track, problem, start, sides = _prepare(
        *(xyz, valid, confidence, time, person, keypoints, clouds, prior),
        skeleton=skeleton,
    )
    solve = functools.partial(_solve, skeleton=skeleton, schedule=schedule)
    expected = solve(start, problem, schedule.before_swaps)
    problem, swapped = _undo_swaps(expected, track, problem, sides, skeleton=skeleton)
    return Refined(
        xyz=solve(expected, problem, schedule.after_swaps),
        valid=track.known,
        noise=problem.noise,
        segment=track.segment,
        swapped=swapped,
        length=problem.length,
    )


@functools.partial(compiling.quick_jit, static_argnames="skeleton")
def _prepare(
    xyz, valid, confidence, time, person, keypoints, clouds, prior, *, skeleton
):
    """The track, its problem, initial poses, and where sides are exchanged."""
    valid = valid & jnp.isfinite(xyz).all(axis=-1)
    if confidence is not None:
        valid = valid & (confidence > 0)
    track = tracks.analyze(
        xyz, valid=valid, time=time, person=person, skeleton=skeleton
    )
    sides = side_sequences.find(track, keypoints, skeleton=skeleton)
    track = sides.undo(track, skeleton=skeleton)
    keypoints = sides.undo_keypoints(keypoints, skeleton=skeleton)
    confidence = sides.undo_values(confidence, skeleton=skeleton)
    problem = _make_problem(track, confidence, keypoints, clouds, skeleton)
    problem = dataclasses.replace(problem, prior=prior)
    return track, problem, _start(track, problem), sides.swapped


def _make_problem(track, confidence, keypoints, clouds, skeleton):
    """The observations, and how much each of the residuals may vary."""
    levels = _error_levels(track, keypoints, skeleton)
    lengths = _bone_lengths(track.filled, track, skeleton, levels.noise)
    noise = bone_statistics.add_slow_errors(
        levels.noise, lengths.excess, skeleton=skeleton
    )
    same_segment = track.segment[1:] == track.segment[:-1]
    problem = residual_terms.Problem(
        observed=track.filled,
        weight=tracks.relative_confidence(confidence, track.valid),
        noise=noise,
        motion=track.motion,
        acceleration_weight=_acceleration_weight(track.known, track.segment),
        time=track.time,
        step=robust.masked_median(jnp.diff(track.time), same_segment, axis=0),
        length=lengths.length,
        length_noise=jnp.maximum(
            _LENGTH_VARIATION_SHARE * lengths.excess, _MIN_LENGTH_STD
        ),
        clouds=clouds,
    )
    if keypoints is None:
        return problem
    seen = keypoints.confidence > 0.0
    relative = tracks.relative_confidence(keypoints.confidence, seen)

    def per_frame(correlation, valid):
        return lasting_errors.at_frames(
            correlation,
            valid=valid,
            segment=track.segment,
            time=track.time,
            step=problem.step,
        )

    return dataclasses.replace(
        problem,
        keypoints=dataclasses.replace(keypoints, confidence=relative),
        uv_noise=levels.uv_noise,
        correlation=per_frame(levels.correlation, track.valid),
        uv_correlation=per_frame(levels.uv_correlation, seen),
    )


def _error_levels(track, keypoints, skeleton):
    """Errors of the joints, and of the keypoints if there are any."""
    noise = track.level.noise
    if keypoints is None:
        nothing = jnp.zeros_like(noise)
        return lasting_errors.ErrorLevels(noise, nothing, nothing, nothing)
    camera.check_intrinsics(keypoints.intrinsics)
    return lasting_errors.from_keypoints(
        track.filled,
        keypoints=keypoints,
        valid=track.valid,
        segment=track.segment,
        noise=noise,
        uv_noise=_uv_noise(keypoints, track.segment),
        skeleton=skeleton,
    )


def _bone_lengths(xyz, track, skeleton, error=None):
    return bone_statistics.estimate_lengths(
        xyz,
        valid=track.valid,
        person=track.person,
        noise=track.level.noise,
        skeleton=skeleton,
        error=error,
    )


def _start(track, problem):
    """Initial poses: moved to the keypoints, without outliers."""
    xyz = track.filled
    if problem.keypoints is not None:
        xyz = lasting_errors.fuse(
            xyz,
            keypoints=problem.keypoints,
            valid=track.valid,
            noise=problem.noise,
            uv_noise=problem.uv_noise,
        )
    return tracks.replace_outliers(xyz, track=track)


def _find_swaps(expected, track, problem, skeleton):
    """Where left and right are swapped, compared with `expected`: (time, joints)."""
    around = jnp.sqrt(problem.noise[None] ** 2 + track.motion**2)
    return swaps.detect_swaps(
        track.filled, expected, valid=track.valid, noise=around, skeleton=skeleton
    )


@functools.partial(compiling.quick_jit, static_argnames="skeleton")
def _undo_swaps(expected, track, problem, exchanged, *, skeleton):
    """The problem with sides corrected and bones measured again; what was swapped."""
    swapped = _find_swaps(expected, track, problem, skeleton)
    corrected = dataclasses.replace(
        problem,
        observed=swaps.swap_sides(track.filled, swapped, skeleton=skeleton),
        weight=swaps.swap_sides(problem.weight, swapped, skeleton=skeleton),
        length=_bone_lengths(expected, track, skeleton).length,
    )
    return corrected, swapped ^ exchanged


def _check_shape(xyz, skeleton):
    if xyz.ndim != 3 or xyz.shape[-1] != 3:
        raise ValueError(f"xyz has shape {xyz.shape}, expected (time, joints, 3)")
    count, joints, _ = xyz.shape
    if count < 3:
        raise ValueError(f"refinement needs at least three frames, got {count}")
    if joints != skeleton.num_joints:
        raise ValueError(
            f"{joints} joints, but skeleton {skeleton.name} has {skeleton.num_joints}"
        )


def _check_units(xyz, time, valid, confidence, skeleton):
    """Checks arrays that have values, which is to say outside `jit`."""
    given = (xyz, time, valid, confidence)
    if any(isinstance(array, jax.core.Tracer) for array in given):
        return
    valid = np.asarray(valid) & np.isfinite(xyz).all(axis=-1)
    if confidence is not None:
        valid = valid & (np.asarray(confidence) > 0)
    units.check_metres(np.asarray(xyz), skeleton=skeleton, valid=valid)
    if time is not None:
        units.check_seconds(np.asarray(time)[valid.any(axis=1)])


def _solve(start, problem, settings, *, skeleton, schedule):
    """Poses after the steps of some settings. Both solutions share a program."""
    longest = max(len(schedule.before_swaps), len(schedule.after_swaps))
    filled = np.ones((longest, 2), np.float32)
    filled[: len(settings)] = np.reshape(settings, (-1, 2))
    run = _quick_steps if len(start) <= _SHORT else _optimized_steps
    return run(
        *(start, problem, filled, len(settings)),
        skeleton=skeleton,
        cg_steps=schedule.cg_steps,
    )


def _steps(start, problem, settings, steps, *, skeleton, cg_steps):
    return solver.gauss_newton(
        lambda x, settings: residual_terms.evaluate(
            x, settings, problem=problem, skeleton=skeleton
        ),
        start,
        schedule=settings,
        scale=lambda settings: _scale(problem, skeleton, slack=settings[1]),
        cg_steps=cg_steps,
        steps=steps,
    )


_quick_steps, _optimized_steps = (
    jit(_steps, static_argnames=("skeleton", "cg_steps"))
    for jit in (compiling.quick_jit, jax.jit)
)


def _scale(problem, skeleton, *, slack):
    """Approximate standard deviation of each joint under the terms always present."""
    precision = problem.weight / problem.noise[None] ** 2
    steady = jnp.pad(problem.acceleration_weight, ((1, 1), (0, 0)))
    precision = precision + 6.0 * steady / problem.motion**2
    stiff = 1.0 / (3.0 * (slack * problem.length_noise) ** 2)  # a third of it along x
    for end in np.asarray(skeleton.bones, np.int32).T:
        precision = precision.at[:, end].add(stiff)
    scale = jnp.where(precision > 0.0, precision, 1.0) ** -0.5
    return jnp.broadcast_to(scale[..., None], problem.observed.shape)


def _acceleration_weight(known, segment):
    """One where a joint is known in three successive frames of one segment, else 0."""
    three = (
        known[2:] & known[1:-1] & known[:-2] & (segment[2:] == segment[:-2])[:, None]
    )
    return three.astype(jnp.float32)


def _uv_noise(keypoints, segment):
    """White noise of the keypoints, pixels."""
    known = keypoints.confidence > 0.0
    uv = jnp.where(known[..., None], keypoints.uv, 0.0)
    return noises.estimate_levels(
        uv, valid=known, segment=segment, minimum=_UV_NOISE, default=_UV_UNKNOWN
    ).noise
