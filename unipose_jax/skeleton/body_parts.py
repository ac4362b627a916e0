"""Body parts of surface points: the labels of the field `points_part`.

A limb's part ends at its joints: `left_forearm` includes the hand, `left_shank` the
foot, `head` the neck, and `torso` shoulders, pelvis and buttocks.
"""

UNKNOWN = -1  # the part of a point that is not labelled
NAMES = (
    "none",
    "head",
    "torso",
    "left_upper_arm",
    "right_upper_arm",
    "left_forearm",
    "right_forearm",
    "left_thigh",
    "right_thigh",
    "left_shank",
    "right_shank",
)
"""Parts by index. `none` is a point on no body: an object, furniture, floor, or a
flying pixel between two surfaces."""

NONE = NAMES.index("none")
COUNT = len(NAMES)


def _other_side(name: str) -> str:
    side, _, rest = name.partition("_")
    return {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, name)


MIRROR = tuple(NAMES.index(_other_side(name)) for name in NAMES)
"""Permutation of the parts under a mirror, which swaps left and right."""
