"""Labels of depth order: which of two people, or of two keypoints, is nearer.

+1: the first is nearer; -1: the second is; 0: no label, or equal where the reason says
so. A label and its reason are antisymmetric and symmetric, and labels of people are
transitive: with margins k sqrt(s_a^2 + s_b^2), a over b and b over c by their margins
is a over c by more than its own.
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
    """Why a pair has the label it has, or none."""

    SAME = 0  # one person, or one point: nothing to tell
    UNKNOWN = 1  # too little is seen of one of them
    MARGIN = 2  # too near to each other to tell
    CONFLICT = 3  # size says the one, feet on the ground say the other
    SIZE = 4  # labelled: one appears larger
    DEPTH = 5  # labelled: measured
    EQUAL = 6  # labelled 0: at the same depth


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
    """Orders people by their apparent size: who appears larger is nearer.

    Args:
        sizes: of the people of one picture, (*batch, people).
        margin: least difference of the logarithms of two sizes, in standard deviations
            of that difference.
        equal: people within so many are labelled as equally far; 0 labels none. People
            of unlike stature are not, even then.
        feet: row of each person's lower foot, pixels, down. On a common floor, seen
            from above, lower in the picture is nearer: a label that feet contradict is
            dropped. None does without.
        feet_known: False where a person's feet are not seen.
        ground_slack: how far feet may contradict, metres at the people's size.

    Returns:
        Labels of the ordered pairs of people.
    """
    difference = _minus(sizes.log_size)
    spread = jnp.sqrt(_plus(sizes.spread**2))
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


def lower_feet(
    uv: Float[Array, "*batch joints 2"],
    *,
    confidence: Float[Array, "*batch joints"],
    skeleton: definitions.Skeleton,
    min_confidence: float = 0.2,
) -> tuple[Float[Array, "*batch"], Bool[Array, "*batch"]]:
    """Row of each person's lower ankle, pixels, and whether both are seen.

    A skeleton without ankles has feet in their place; one without either, none.
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
    """Orders points whose depth is measured: RGB-D, or the truth.

    Args:
        depth: z, metres. Ignored, even if NaN, where not `valid`.
        valid: False where depth says nothing of the point: a joint that is hidden has
            the depth of what hides it.
        margin: least difference of two depths that are ordered, metres.
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


def of_keypoints(people: Order, *, joints: int) -> Order:
    """Labels of all pairs of keypoints, (*batch, people * joints, same), by person.

    Keypoint j of person p is at p * joints + j. Keypoints of one person have no label:
    of two ankles the lower is nearer in three of four cases only (docs/wsp.md).
    """
    return Order(
        *(jnp.repeat(jnp.repeat(v, joints, axis=-1), joints, axis=-2) for v in people)
    )


def depth_at(
    depth: Float[Array, "height width"], uv: Float[Array, "*points 2"]
) -> tuple[Float[Array, "*points"], Bool[Array, "*points"]]:
    """A depth map at the pixels of keypoints, metres; False where there is none."""
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
