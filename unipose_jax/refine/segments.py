"""Division of a sequence into segments at cuts, and interpolation of gaps."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.physics import finite_differences
from unipose_jax.refine import robust
from unipose_jax.skeleton import definitions

# Least movement of the median joint at a cut, metres.
MIN_JUMP = 0.12
# Least ratio of this movement to that in nearby frames.
JUMP_RATIO = 2.5
_WINDOW = 8  # frames on each side


@definitions.accepts_name
def find_segments(
    xyz: Float[Array, "time joints 3"],
    time: Float[Array, " time"],
    *,
    valid: Bool[Array, "time joints"],
    skeleton: definitions.Skeleton,
) -> Int[Array, " time"]:
    """Segment number of each frame; a new segment starts at every cut.

    A cut is a gap in time (`finite_differences.MAX_GAP`), a time stamp that does not
    increase, or a jump of the body: the median joint moves further than `MIN_JUMP` and
    than `JUMP_RATIO` times its movement in nearby frames. Outliers of single joints and
    left/right swaps are not cuts.

    Args:
        xyz: joints, metres.
        time: seconds.
        valid: joints with False are ignored, even if NaN.
        skeleton: skeleton of the joints, with its left/right pairs.

    Returns:
        Numbers from 0, non-decreasing.
    """
    mirror = np.asarray(skeleton.mirror)
    both = valid[1:] & valid[:-1]
    distance = _distance(xyz[1:], xyz[:-1], both)
    other_side = _distance(xyz[1:], xyz[:-1, mirror], both & valid[:-1, mirror])
    mistaken = both & valid[:-1, mirror] & (other_side < distance)
    moved = jnp.where(mistaken, other_side, distance)
    moved = robust.masked_median(moved, both, axis=1)
    known = jnp.any(both, axis=1)
    around, around_known = (
        robust.temporal_neighbors(part, radius=_WINDOW) for part in (moved, known)
    )
    usual = robust.masked_median(around, around_known, axis=0)
    cut = (moved > jnp.maximum(MIN_JUMP, JUMP_RATIO * usual)) & known
    cut |= ~finite_differences.consecutive(time)
    return jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(cut, dtype=jnp.int32)])


def _distance(xyz, other, known):
    step = jnp.where(known[..., None], xyz - other, 0.0)
    return jnp.sqrt(jnp.sum(step**2, axis=-1))


def interpolate_gaps(
    xyz: Float[Array, "time joints 3"],
    *,
    valid: Bool[Array, "time joints"],
    segment: Int[Array, " time"],
    time: Float[Array, " time"],
) -> tuple[Float[Array, "time joints 3"], Bool[Array, "time joints"]]:
    """Interpolates unobserved joints linearly in time.

    Args:
        xyz: joints, metres; ignored, even if NaN, where not `valid`.
        valid: mask of the observed joints.
        segment: segment numbers; there is no interpolation between segments.
        time: seconds.

    Returns:
        Finite joints, and which of them are known: observed, or in a gap of at most
        `finite_differences.MAX_GAP` between two observed ones.
    """
    index = jnp.arange(len(xyz))[:, None]
    before = _latest_index(jnp.where(valid, index, -1))
    after = len(xyz) - 1 - _latest_index(jnp.where(valid[::-1], index, -1))[::-1]
    has_before = (before >= 0) & _in_same_segment(segment, before)
    has_after = (after < len(xyz)) & _in_same_segment(segment, after)
    before = jnp.where(has_before, before, jnp.clip(after, 0, len(xyz) - 1))
    after = jnp.where(has_after, after, jnp.clip(before, 0, len(xyz) - 1))
    clean = jnp.where(valid[..., None], xyz, 0.0)
    start = jnp.take_along_axis(clean, before[..., None], axis=0)
    end = jnp.take_along_axis(clean, after[..., None], axis=0)
    span = jnp.where(after > before, time[after] - time[before], 1.0)
    share = jnp.where(after > before, (time[:, None] - time[before]) / span, 0.0)
    filled = start + share[..., None] * (end - start)
    between = has_before & has_after & (span <= finite_differences.MAX_GAP)
    return jnp.where(valid[..., None], clean, filled), valid | between


def _latest_index(index):
    return jnp.maximum.accumulate(index, axis=0)


def _in_same_segment(segment, index):
    return segment[jnp.clip(index, 0, len(segment) - 1)] == segment[:, None]
