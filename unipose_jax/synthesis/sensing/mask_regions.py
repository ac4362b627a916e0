"""Large errors of the person mask: missing limbs, cuts, holes and background nearby.

Segmentation of real people loses a limb, the head or dark clothes, ends at a table or
at the edge of a picture, and takes in what is close to the person. Each kind of error
occurs in a share of the clips and stays for the whole clip.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.skeleton import body_parts
from unipose_jax.synthesis.sensing import person_points
from unipose_jax.synthesis.uniform_ranges import scale_to_range

_LEFT_ARM = ("left_upper_arm", "left_forearm")
_RIGHT_ARM = ("right_upper_arm", "right_forearm")
_LEFT_LEG, _RIGHT_LEG = ("left_thigh", "left_shank"), ("right_thigh", "right_shank")
# Body parts that are lost together.
_LOST = (
    ("head",),
    *(_LEFT_ARM, _RIGHT_ARM, _LEFT_LEG, _RIGHT_LEG),
    *(("left_forearm", "right_forearm"), ("left_shank", "right_shank")),
    (*_LEFT_LEG, *_RIGHT_LEG),
    (*_LEFT_ARM, *_RIGHT_ARM),
    ("torso", "left_upper_arm", "right_upper_arm"),  # a black shirt
    ("torso", *_LEFT_ARM, *_RIGHT_ARM),
    (*_LEFT_ARM, *_LEFT_LEG),
    (*_RIGHT_ARM, *_RIGHT_LEG),
)
_LOST_TABLE = np.array([[name in row for name in body_parts.NAMES] for row in _LOST])
_HOLE_CELL = 20  # pixels, size of the holes


def simulate(
    key: jax.Array,
    mask: Bool[Array, "frames height width"],
    depth: Float[Array, "frames height width"],
    part: Int[Array, "frames height width"],
    *,
    params: person_points.SegmentationParams,
) -> Bool[Array, "frames height width"]:
    """Adds large errors to a segmented mask.

    Args:
        key: random key.
        mask: segmented person, with what else is taken for the person.
        depth: measured z-depth, metres, 0 where missing.
        part: body part at each pixel, an index in `body_parts.NAMES`.
        params: shares of clips with each kind of error.
    """
    key_draw, key_hole, key_leak = jax.random.split(key, 3)
    draw = jax.random.uniform(key_draw, (10,))
    rows = jnp.asarray(_LOST_TABLE)[(len(_LOST) * draw[0]).astype(jnp.int32)]
    lost = rows[part] & (draw[1] < params.lost_share)
    lost |= _cut(draw[2:4], mask) & (draw[4] < params.cut_share)
    holes = person_points.blobs(key_hole, mask.shape, params.hole_area, cell=_HOLE_CELL)
    lost |= holes & (draw[5] < params.hole_share)
    leaks = _near_person(mask, depth, params.leak_depth) & person_points.blobs(
        key_leak, mask.shape, params.leak_area, cell=_HOLE_CELL
    )
    leaks &= draw[6] < params.leak_share
    return ((mask & ~lost) | (leaks & (part == body_parts.NONE))) & (depth > 0.0)


def _cut(draw: Array, mask: Array) -> Array:
    """All pixels beyond a line across the person, most often below it."""
    _, height, width = mask.shape
    rows = jnp.arange(height, dtype=jnp.float32).reshape(1, -1, 1)
    columns = jnp.arange(width, dtype=jnp.float32).reshape(1, 1, -1)
    cuts = []
    for place, share in ((rows, (0.35, 0.8)), (columns, (0.5, 0.8))):
        low = jnp.min(jnp.where(mask, place, jnp.inf))
        high = jnp.max(jnp.where(mask, place, -jnp.inf))
        line = scale_to_range(draw[0], share)
        cuts.append(place > low + (high - low) * line)
        cuts.append(place < high - (high - low) * line)
    below, above, right, left = (jnp.broadcast_to(c, mask.shape) for c in cuts)
    side = draw[1]
    beside = jnp.where(side < 0.85, right, left)
    upright = jnp.where(side < 0.55, below, above)
    return jnp.where(side < 0.7, upright, beside)


def _near_person(mask: Array, depth: Array, margin: float) -> Array:
    """Pixels within one or two tiles of the mask, at about the depth of the mask."""
    weight = (mask & (depth > 0.0)).astype(jnp.float32)
    total, count = (
        person_points.sum_around(weight * depth),
        person_points.sum_around(weight),
    )
    there = total / jnp.maximum(count, 1.0)
    return (count > 0.0) & (jnp.abs(depth - there) < margin)
