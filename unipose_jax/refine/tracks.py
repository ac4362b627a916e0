"""A sequence of poses with its segments, noise and motion."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.refine import noise as noises
from unipose_jax.refine import robust, segments
from unipose_jax.skeleton import definitions

# A joint is an outlier if its distance from the medoid of neighbouring frames exceeds
# what noise and motion explain by this factor.
_OUTLIER_RATIO = 3.0
_MEDOID_RADIUS = 3  # frames on each side for the medoid


class Track(NamedTuple):
    """A sequence with short gaps filled, and the estimates of `noise` and `segments`.

    Attributes:
        filled: (time, joints, 3), metres.
        valid: (time, joints), bool: observed.
        known: (time, joints), bool: observed, or interpolated in a short gap.
        time: (time,), seconds.
        person: (time,), number of the person.
        segment: (time,), number of the segment between cuts.
        level: of noise and motion.
        motion: (time, joints), metres.
    """

    filled: Array
    valid: Array
    known: Array
    time: Array
    person: Array
    segment: Array
    level: noises.NoiseLevels
    motion: Array


@definitions.accepts_name
def analyze(
    xyz: Float[Array, "time joints 3"],
    *,
    valid: Bool[Array, "time joints"],
    time: Float[Array, " time"],
    person: Int[Array, " time"],
    skeleton: definitions.Skeleton,
) -> Track:
    """Divides a sequence into segments, estimates its noise and fills short gaps.

    Args:
        xyz: joints, metres.
        valid: joints with False are ignored, even if NaN.
        time: seconds.
        person: number of the person in each frame, from 0 to time - 1.
        skeleton: skeleton of the joints.
    """
    valid = valid & jnp.isfinite(xyz).all(axis=-1)
    xyz = jnp.where(valid[..., None], xyz, 0.0)
    segment = segments.find_segments(xyz, time, valid=valid, skeleton=skeleton)
    level = noises.estimate_levels(xyz, valid=valid, segment=segment)
    motion = noises.local_motion(xyz, levels=level, valid=valid, segment=segment)
    filled, known = segments.interpolate_gaps(
        xyz, valid=valid, segment=segment, time=time
    )
    return Track(filled, valid, known, time, person, segment, level, motion)


def relative_confidence(
    confidence: Float[Array, "time joints"] | None,
    valid: Bool[Array, "time joints"],
) -> Float[Array, "time joints"]:
    """Confidence divided by its median over all valid joints, in [0, 3].

    Args:
        confidence: of each joint; None: all equal.
        valid: joints with False get 0.
    """
    if confidence is None:
        return valid.astype(jnp.float32)
    everything = valid.reshape(-1)
    median = robust.masked_median(confidence.reshape(-1), everything, axis=0)
    relative = confidence / jnp.where(median > 0.0, median, 1.0)
    return jnp.where(valid, jnp.clip(relative, 0.0, 3.0), 0.0)


def replace_outliers(
    xyz: Float[Array, "time joints 3"], *, track: Track
) -> Float[Array, "time joints 3"]:
    """Replaces outliers by the medoid of the neighbouring frames.

    Args:
        xyz: joints, metres.
        track: noise, motion and segments of the sequence.
    """
    valid, segment = track.valid, track.segment
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
    usual_sq = 3.0 * track.level.noise[None] ** 2 + 2.0 * track.motion**2
    wild = valid & (sq > _OUTLIER_RATIO**2 * usual_sq)
    return jnp.where(wild[..., None], medoid, xyz)
