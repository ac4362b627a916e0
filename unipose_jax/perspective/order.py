r"""Labels of depth order: which of two people, or of two keypoints, is nearer.

+1: the first is nearer; -1: the second is nearer; 0: no label, or equal depth if the
reason is EQUAL. Labels are antisymmetric, reasons symmetric. Labels of people are
transitive: with margins $k \sqrt{s_a^2 + s_b^2}$, if a is nearer than b and b nearer
    than
c by their margins, then a is nearer than c by more than its margin.
"""

import enum
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry.depth import sample_depth
from unipose_jax.perspective import apparent_size
from unipose_jax.skeleton import definitions


class Reason(enum.IntEnum):
    """Why a pair has its label, or no label."""

    SAME = 0  # no label: the same person or point
    UNKNOWN = 1  # no label: too few keypoints of one person, or no depth
    MARGIN = 2  # no label: the difference is smaller than the margin
    CONFLICT = 3  # no label: apparent size and feet on the ground disagree
    SIZE = 4  # label: one person appears larger
    DEPTH = 5  # label: measured depth
    EQUAL = 6  # label 0: the same depth


class Order(NamedTuple):
    """Labels of all ordered pairs; arrays (*batch, n, n)."""

    label: Array  # int32: +1, -1 or 0
    labelled: Array  # bool
    reason: Array  # int32: a `Reason`


def order_people(
    sizes: apparent_size.Sizes,
    *,
    margin: float = 1.0,
    equal: float = 0.0,
    feet: Float[Array, "*batch people"] | None = None,
    feet_known: Bool[Array, "*batch people"] | None = None,
    ground_slack: float = 0.05,
) -> Order:
    """Orders people by their apparent size: the larger one is nearer.

    Args:
        sizes: of the people of one picture, (*batch, people).
        margin: smallest difference of the logarithms of two sizes, in standard
            deviations of that difference.
        equal: pairs whose difference is below so many standard deviations are labelled
            as equally far; 0 labels none. People of different stature may then be
            labelled as equal although their depths differ.
        feet: row of each person's lower foot, pixels, down. On a common floor, seen
            from above, lower in the image is nearer: labels that contradict this are
            dropped. None does not check it.
        feet_known: False where a person's feet have no keypoints.
        ground_slack: allowed contradiction of the feet, metres at the people's size.

    Returns:
        Labels of the ordered pairs of people.
    """
    difference = _minus(sizes.log_size)
    spread = jnp.sqrt(_plus(sizes.std**2))
    known = _both(sizes.known)
    sign = jnp.sign(difference).astype(jnp.int32)
    beyond = jnp.abs(difference) > margin * spread
    conflict = jnp.zeros_like(known)
    if feet is not None and feet_known is not None:
        scale = jnp.exp(0.5 * _plus(sizes.log_size))
        feet = jnp.where(feet_known, feet, 0.0)
        against = _minus(feet) * sign < -ground_slack * scale
        conflict = beyond & against & _both(feet_known)
    same = jnp.eye(known.shape[-1], dtype=bool)
    same = jnp.broadcast_to(
        same.reshape((1,) * (known.ndim - 2) + same.shape), known.shape
    )
    alike = jnp.abs(difference) < equal * spread
    reason = jnp.select(
        [same, ~known, conflict, beyond, alike],
        [Reason.SAME, Reason.UNKNOWN, Reason.CONFLICT, Reason.SIZE, Reason.EQUAL],
        Reason.MARGIN,
    )
    return _order(sign, reason)


@definitions.accepts_name
def lower_foot_row(
    uv: Float[Array, "*batch joints 2"],
    *,
    confidence: Float[Array, "*batch joints"],
    skeleton: definitions.Skeleton,
    min_confidence: float = 0.2,
) -> tuple[Float[Array, "*batch"], Bool[Array, "*batch"]]:
    """Row of each person's lower ankle, pixels, and whether both have keypoints.

    Uses feet for a skeleton without ankles; without either, the row is never known.
    """
    names = [n for n in skeleton.joints if n.endswith("_ankle")]
    names = names or [n for n in skeleton.joints if n.endswith("_foot")]
    if not names:
        return jnp.zeros(uv.shape[:-2]), jnp.zeros(uv.shape[:-2], bool)
    chosen = np.array([skeleton.index(name) for name in names])
    found = confidence[..., chosen] >= min_confidence
    row = jnp.where(found, uv[..., chosen, 1], -jnp.inf).max(axis=-1)
    known = found.all(axis=-1)
    return jnp.where(known, row, 0.0), known


def order_depths(
    depth: Float[Array, "*batch points"],
    *,
    valid: Bool[Array, "*batch points"],
    margin: float = 0.1,
    equal: float = 0.0,
) -> Order:
    """Orders points by their measured depth, from RGB-D or ground truth.

    Args:
        depth: z, metres. Ignored, even if NaN, where not `valid`.
        valid: False where the depth is not that of the point: at a hidden joint, a
            camera measures the depth of the object in front.
        margin: smallest difference of two depths that are ordered, metres.
        equal: points within so many metres are labelled as equally far; 0 labels none.

    Returns:
        Labels of the ordered pairs of points.
    """
    nearer = -_minus(jnp.where(valid, depth, 0.0))
    known = _both(valid)
    same = jnp.eye(known.shape[-1], dtype=bool)
    same = jnp.broadcast_to(
        same.reshape((1,) * (known.ndim - 2) + same.shape), known.shape
    )
    reason = jnp.select(
        [same, ~known, jnp.abs(nearer) > margin, jnp.abs(nearer) < equal],
        [Reason.SAME, Reason.UNKNOWN, Reason.DEPTH, Reason.EQUAL],
        Reason.MARGIN,
    )
    return _order(jnp.sign(nearer).astype(jnp.int32), reason)


def keypoint_order(people: Order, *, joints: int) -> Order:
    """Labels of all pairs of keypoints from those of their people.

    The result is (*batch, people * joints, people * joints); keypoint j of person p is
    at p * joints + j. Keypoints of one person have no label: of two ankles the lower is
    nearer in only three of four cases (docs/wsp.md).
    """
    return Order(
        *(jnp.repeat(jnp.repeat(v, joints, axis=-1), joints, axis=-2) for v in people)
    )


def depth_at(
    depth: Float[Array, "height width"], uv: Float[Array, "*points 2"]
) -> tuple[Float[Array, "*points"], Bool[Array, "*points"]]:
    """Depth at the pixels of keypoints, metres, and whether there is one."""
    found = sample_depth(depth, uv.reshape(-1, 2)).reshape(uv.shape[:-1])
    return found, found > 0.0


def _order(sign: Array, reason: Array) -> Order:
    labelled = reason >= Reason.SIZE
    label = jnp.where(labelled & (reason != Reason.EQUAL), sign, 0)
    return Order(label, labelled, reason.astype(jnp.int32))


def _minus(values: Array) -> Array:
    return values[..., :, None] - values[..., None, :]


def _plus(values: Array) -> Array:
    return values[..., :, None] + values[..., None, :]


def _both(values: Array) -> Array:
    return values[..., :, None] & values[..., None, :]
