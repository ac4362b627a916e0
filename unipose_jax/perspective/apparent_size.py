"""Apparent size of people: pixels per metre of the body, an estimate of f / z.

A segment of length L at depth z, tilted by tau out of the image plane, has an apparent
length of f L cos(tau) / z. Tilt only shortens it, so the larger ratios of apparent to
canonical length estimate f / z; the very largest come from wrong keypoints, or from
limbs stretched towards the camera.

People are assumed to have the typical stature of `physics.anthropometry`. A child
appears smaller, and so farther away than it is; `std` accounts for this error.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import numerics
from unipose_jax.physics import anthropometry
from unipose_jax.skeleton import definitions

# Segments whose length varies little between people of the same stature; the far end
# is the first joint that a skeleton has. Segments of the head are left out: they are
# short, and relatively long in children.
_PAIRED = {
    "upper_arm": ("shoulder", ("elbow",)),
    "forearm": ("elbow", ("wrist", "hand")),
    "flank": ("shoulder", ("hip",)),
    "thigh": ("hip", ("knee",)),
    "shank": ("knee", ("ankle", "foot")),
}
_ACROSS = {"shoulders": ("left_shoulder", "right_shoulder")}
_KINDS = (*_PAIRED, *_ACROSS)


@dataclasses.dataclass(frozen=True)
class Segments:
    """The segments of a skeleton that apparent sizes are measured at.

    Attributes:
        ends: joint indices (segments, 2).
        kinds: index of each segment's kind; left and right have the same one.
        lengths: canonical, metres, for a person of `anthropometry.STATURE`.
    """

    ends: np.ndarray
    kinds: np.ndarray
    lengths: np.ndarray


class Sizes(NamedTuple):
    """Apparent sizes of people; arrays of shape (*batch,)."""

    log_size: Array  # of pixels per metre; 0 where not known
    std: Array  # standard deviation of `log_size` as a measure of depth
    known: Array  # bool: enough segments have keypoints


@definitions.accepts_name
def limb_segments(skeleton: definitions.Skeleton) -> Segments:
    """The segments of a skeleton, with their canonical lengths.

    Raises:
        ValueError: the skeleton has fewer than three.
    """
    rows = []
    for kind, (start, ends) in _PAIRED.items():
        for side in ("left_", "right_"):
            known = [side + end for end in ends if side + end in skeleton.joints]
            if known and side + start in skeleton.joints:
                rows.append((kind, side + start, known[0]))
    rows += [(k, *e) for k, e in _ACROSS.items() if set(e) <= set(skeleton.joints)]
    if len(rows) < 3:
        raise ValueError(f"skeleton {skeleton.name!r} has too few segments: {rows}")
    return Segments(
        ends=np.array([[skeleton.index(a), skeleton.index(b)] for _, a, b in rows]),
        kinds=np.array([_KINDS.index(kind) for kind, *_ in rows]),
        lengths=np.array([_length(a, b) for _, a, b in rows], np.float32),
    )


def _length(start: str, end: str) -> float:
    """Metres between two joints of the standing person of `anthropometry.JOINTS`."""
    a, b = (
        anthropometry.JOINTS[anthropometry.joint_kind(joint)] for joint in (start, end)
    )
    same_side = start.split("_")[0] == end.split("_")[0]
    across = a.lateral - b.lateral if same_side else a.lateral + b.lateral
    return anthropometry.STATURE * float(
        np.linalg.norm([across, a.height - b.height, a.forward - b.forward])
    )


def apparent_sizes(
    uv: Float[Array, "*batch joints 2"],
    *,
    confidence: Float[Array, "*batch joints"],
    segments: Segments,
    min_confidence: float = 0.2,
    min_kinds: int = 2,
    min_segments: int = 3,
    quantile: float = 0.6,
    stature_std: float = 0.06,
    pose_std: float = 0.25,
) -> Sizes:
    r"""Pixels per metre of each person: an upper quantile over the detected segments.

    Args:
        uv: keypoints, pixels. Ignored, even if NaN, where confidence is too low.
        confidence: in [0, 1].
        segments: of the skeleton, from `limb_segments`.
        min_confidence: smallest confidence of a keypoint that counts.
        min_kinds: smallest number of kinds of segments for a known size: left and right
            of one kind are often foreshortened together.
        min_segments: smallest number of segments for a known size.
        quantile: of the ratios. 1 is the largest, which keypoint errors make too large;
            0.6 orders rendered people best (benchmarks/depth_order.py).
        stature_std: standard deviation of the logarithm of people's stature; of
            adults it is 0.05 (`synthesis.motion.body_shape.ShapeParams`).
        pose_std: that of the ratio of one kind of segment, by foreshortening and
            errors of keypoints ($\sigma_p$; $\sigma_s$ of stature). The spread of a
            size is $\sqrt{\sigma_s^2 + \sigma_p^2 / n}$ for $n$ kinds.

    Returns:
        `log_size` is the logarithm of f / z where a person is of canonical stature.
    """
    start, end = segments.ends.T
    found = confidence >= min_confidence
    seen = found[..., start] & found[..., end]
    uv = jnp.where(found[..., None], uv, 0.0)
    apparent = numerics.safe_norm(uv[..., start, :] - uv[..., end, :])
    seen &= apparent > 0.0
    lengths = jnp.asarray(segments.lengths).reshape((1,) * (uv.ndim - 2) + (-1,))
    ratio = jnp.log(jnp.where(seen, apparent, 1.0) / lengths)
    count = jnp.sum(seen, axis=-1)
    kinds = _count_kinds(seen, segments.kinds)
    known = (count >= min_segments) & (kinds >= min_kinds)
    size = _upper_quantile(ratio, seen, quantile)
    variance = stature_std**2 + pose_std**2 / jnp.maximum(kinds, 1)
    return Sizes(jnp.where(known, size, 0.0), jnp.sqrt(variance), known)


def _count_kinds(seen: Bool[Array, "*batch segments"], kinds: np.ndarray) -> Array:
    """Number of different kinds among the detected segments."""
    member = jax.nn.one_hot(kinds, len(_KINDS), dtype=jnp.float32)
    per_kind = jnp.matmul(seen.astype(jnp.float32), member, precision="highest")
    return jnp.sum(per_kind > 0.0, axis=-1)


def _upper_quantile(
    values: Float[Array, "*batch entries"],
    valid: Bool[Array, "*batch entries"],
    quantile: float,
) -> Float[Array, "*batch"]:
    """Quantile of the valid values, linear between them; 0 if there are none."""
    ascending = jnp.sort(jnp.where(valid, values, -jnp.inf), axis=-1)
    count = jnp.maximum(jnp.sum(valid, axis=-1, keepdims=True), 1)
    place = values.shape[-1] - count + quantile * (count - 1)
    below = jnp.floor(place).astype(jnp.int32)
    above = jnp.minimum(below + 1, values.shape[-1] - 1)
    low, high = (jnp.take_along_axis(ascending, i, axis=-1) for i in (below, above))
    share = place - below
    # Products with zero of what is not valid would be NaN.
    low, high = (jnp.where(jnp.isfinite(value), value, 0.0) for value in (low, high))
    return ((1.0 - share) * low + share * high)[..., 0]
