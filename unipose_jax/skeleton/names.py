"""Joints and skeletons from the names that files of other tools use.

Spelling makes no difference: SHOULDER_LEFT, ShoulderLeft, LShoulder and left shoulder
are `left_shoulder`.
"""

import re
from collections.abc import Sequence

from unipose_jax.skeleton import definitions, trackers

_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_PREFIXES = ("k4abt_joint_", "jointtype_", "joint_")
# "lShoulder", "LShoulder", "LEye": a side of one letter before a word.
_SIDE_LETTER = re.compile(r"^([lLrR])(?=[A-Z][a-z])")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# Joints of motion-capture rigs (CMU's conversions, Mixamo, MotionBuilder) that occur at
# the same place in a body. A bone is named there after the joint at which it begins.
_RIG_NAMES = {
    "hips": "pelvis",
    "neck": "neck",
    "head": "skull_base",
    **{
        f"{side}_{rig}": f"{side}_{joint}"
        for side in ("left", "right")
        for rig, joint in {
            "up_leg": "hip",
            "leg": "knee",
            "foot": "ankle",
            "toe_base": "foot",
            "arm": "shoulder",
            "fore_arm": "elbow",
            "hand": "wrist",
        }.items()
    },
}


def joint_key(name: str) -> tuple[str, str]:
    """(side, rest) of a joint name, without the spelling: ("left", "handtip")."""
    lowered = name.strip()
    for prefix in _PREFIXES:
        if lowered.lower().startswith(prefix):
            lowered = lowered[len(prefix) :]
    lowered = _SIDE_LETTER.sub(r"\1_", lowered.rpartition(":")[2])
    words = [word.lower() for word in _WORDS.findall(lowered)]
    side = next((word for word in words if word in _SIDES), "")
    if side:
        words.remove(side)
    return _SIDES.get(side, ""), "".join(words)


def find_joint(name: str, skeleton: definitions.Skeleton) -> int | None:
    """Index of the joint that a file calls `name`, ours or the SDK's, or None."""
    return (_own_keys(skeleton) | _sdk_keys(skeleton)).get(joint_key(name))


def find_skeleton(joints: Sequence[str]) -> definitions.Skeleton:
    """The smallest skeleton that has all joints that a file names.

    The names may be ours, of some of the joints, or those of an SDK, of all its joints:
    SMPL's and Halpe's "head" are other points than ours.

    Raises:
        ValueError: no skeleton has them; the message names what the closest one lacks.
    """
    names = (*definitions.NAMES, *definitions.TRACKERS)
    every = sorted(map(definitions.by_name, names), key=lambda each: each.num_joints)
    keys = {joint_key(joint) for joint in joints}
    for skeleton in every:
        if keys <= _own_keys(skeleton).keys():
            return skeleton
    for skeleton in every:
        found = {find_joint(joint, skeleton) for joint in joints}
        if found == set(range(skeleton.num_joints)):
            return skeleton
    missing = {s.name: [n for n in joints if find_joint(n, s) is None] for s in every}
    closest = min(missing, key=lambda name: len(missing[name]))
    lacks = ", ".join(repr(name) for name in missing[closest][:3])
    raise ValueError(
        f"no known skeleton has the {len(joints)} joints of the file"
        + (f"; {closest} lacks {lacks}" if lacks else "")
    )


def _own_keys(skeleton):
    return {joint_key(joint): i for i, joint in enumerate(skeleton.joints)}


def _sdk_keys(skeleton):
    renamed = trackers.SDK_NAMES.get(skeleton.name, {})
    return {joint_key(sdk): skeleton.index(joint) for sdk, joint in renamed.items()}


def rig_joint(name: str) -> str | None:
    """Joint of `BODY` at a joint of a motion-capture rig, or None.

    The usual names of such rigs: Hips, LeftUpLeg, LeftLeg, LeftFoot, LeftToeBase,
    LeftArm, LeftForeArm, LeftHand, Neck, with or without a prefix such as mixamorig:.
    """
    keys = {joint_key(rig): joint for rig, joint in _RIG_NAMES.items()}
    joint = keys.get(joint_key(name))
    return joint if joint in definitions.BODY.joints else None
