"""Sizes and limits of human bodies, by the meaning of joints, each with its source.

Sources, by the names used below:

- Drillis & Contini, Body Segment Parameters, 1966 (as tabulated by Winter,
  Biomechanics and Motor Control of Human Movement, fig. 4.1): heights and lengths as
  shares of stature H.
- ANSUR II: Gordon et al., 2012 Anthropometric Survey of U.S. Army Personnel,
  NATICK/TR-15/007; means of women / men, mm.
- AAOS: American Academy of Orthopaedic Surgeons, Joint Motion, 1965: ranges of motion.
- CMU: percentiles measured on 62 clips (12,510 frames at 30 Hz: walks, runs, jumps,
  dances, punches) of the CMU motion capture database, mocap.cs.cmu.edu.

All functions depend on a `Skeleton` alone: call them outside or inside `jit`.
"""

import dataclasses
import math
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from unipose_jax.skeleton import definitions, kinematics

# Metres: mean of women (1.63) and men (1.76) in ANSUR II.
STATURE = 1.69


@dataclasses.dataclass(frozen=True)
class JointFigures:
    """Figures of one kind of joint, the same for left and right."""

    lateral: float  # standing: distance from the plane of symmetry, shares of stature
    height: float  # standing: above the floor, shares of stature
    forward: float  # standing: in front of the spine, shares of stature
    thickness: float  # from the joint centre to the skin, square on, metres
    radius: float  # of the body around the joint, an upper figure, metres
    speed: float  # bound, m/s
    acceleration: float  # bound, m/s^2


# Standing positions: heights of Drillis & Contini (shoulder .818, elbow .630, wrist
# .485, hip .530, knee .285, ankle .039, eye .936; hand .108 long), breadths of ANSUR II
# (biacromial 365/416, bitragion about 140, interpupillary 62) less what lies outside
# the joint centres. Hip centres are .10 H apart. "neck" is the base of the neck (ANSUR
# II cervicale .86 H, suprasternale .82 H), "torso" the middle of the spine.
#
# Thickness, from centre to skin: c / 2 pi for a segment of circumference c (ANSUR II:
# head 561/574, neck base 371/435, biceps 306/358, forearm 264/310, wrist 152/176, lower
# thigh 396/412, ankle 215/229) or half its depth (chest 247/254, waist 220/240, buttock
# 236/249); shoulder and hip lie deeper than their limb is thick, a hand is 28 mm thick
# and 84 broad. Facial points lie on the skin.
#
# Radii are upper figures, with clothes, in the broader direction: half chest breadth
# 145, half hip breadth 175, bideltoid less biacromial breadth.
#
# Speed and acceleration: CMU 99.9th percentiles (speed 3.5 trunk, 4.9 elbow, 5.8 hand,
# 5.5 knee, 9 foot; acceleration 30, 45, 51, 80, 100), rounded up.
JOINTS = {
    "head_top": JointFigures(0.0, 1.0, 0.0, 0.04, 0.11, 5.0, 50.0),
    "head": JointFigures(0.0, 0.93, 0.01, 0.09, 0.12, 5.0, 50.0),
    "nose": JointFigures(0.0, 0.915, 0.065, 0.01, 0.12, 5.0, 50.0),
    "eye": JointFigures(0.018, 0.936, 0.05, 0.01, 0.12, 5.0, 50.0),
    "ear": JointFigures(0.041, 0.925, 0.01, 0.02, 0.12, 5.0, 50.0),
    "neck": JointFigures(0.0, 0.82, 0.0, 0.065, 0.09, 4.0, 40.0),
    "thorax": JointFigures(0.0, 0.81, 0.0, 0.10, 0.17, 4.0, 40.0),
    "torso": JointFigures(0.0, 0.685, 0.0, 0.12, 0.18, 4.0, 40.0),
    "pelvis": JointFigures(0.0, 0.53, 0.0, 0.12, 0.19, 4.0, 40.0),
    "shoulder": JointFigures(0.105, 0.815, 0.0, 0.06, 0.09, 4.0, 40.0),
    "elbow": JointFigures(0.105, 0.63, 0.0, 0.045, 0.06, 6.0, 60.0),
    "wrist": JointFigures(0.105, 0.485, 0.0, 0.027, 0.045, 8.0, 80.0),
    "hand": JointFigures(0.105, 0.435, 0.0, 0.028, 0.07, 9.0, 90.0),
    "hand_tip": JointFigures(0.105, 0.385, 0.0, 0.012, 0.05, 10.0, 100.0),
    "thumb": JointFigures(0.105, 0.43, 0.03, 0.012, 0.05, 10.0, 100.0),
    "hip": JointFigures(0.05, 0.53, 0.0, 0.10, 0.14, 4.0, 40.0),
    "knee": JointFigures(0.05, 0.285, 0.0, 0.06, 0.09, 6.0, 80.0),
    "ankle": JointFigures(0.05, 0.039, 0.0, 0.035, 0.06, 9.0, 90.0),
    "foot": JointFigures(0.05, 0.02, 0.05, 0.04, 0.09, 10.0, 100.0),
    # Joints that only skeletons of trackers have: between their neighbours above; foot
    # .152 H long (Drillis & Contini), hand 84 mm broad, 28 thick (ANSUR II).
    "skull_base": JointFigures(0.0, 0.89, 0.0, 0.08, 0.12, 5.0, 50.0),
    "eye_inner": JointFigures(0.01, 0.936, 0.052, 0.01, 0.12, 5.0, 50.0),
    "eye_outer": JointFigures(0.026, 0.936, 0.045, 0.01, 0.12, 5.0, 50.0),
    "mouth": JointFigures(0.014, 0.89, 0.06, 0.01, 0.12, 5.0, 50.0),
    "clavicle": JointFigures(0.02, 0.81, 0.0, 0.08, 0.17, 4.0, 40.0),
    "collar": JointFigures(0.04, 0.80, 0.0, 0.08, 0.17, 4.0, 40.0),
    "spine_3": JointFigures(0.0, 0.76, 0.0, 0.12, 0.18, 4.0, 40.0),
    "spine_chest": JointFigures(0.0, 0.73, 0.0, 0.12, 0.18, 4.0, 40.0),
    "spine_navel": JointFigures(0.0, 0.62, 0.0, 0.12, 0.18, 4.0, 40.0),
    "spine_1": JointFigures(0.0, 0.60, 0.0, 0.12, 0.18, 4.0, 40.0),
    "index_knuckle": JointFigures(0.105, 0.435, 0.02, 0.014, 0.05, 9.0, 90.0),
    "pinky_knuckle": JointFigures(0.105, 0.44, -0.02, 0.014, 0.05, 9.0, 90.0),
    "thumb_knuckle": JointFigures(0.105, 0.455, 0.025, 0.014, 0.05, 9.0, 90.0),
    "heel": JointFigures(0.05, 0.02, -0.04, 0.03, 0.08, 10.0, 100.0),
    "big_toe": JointFigures(0.045, 0.01, 0.11, 0.015, 0.06, 10.0, 100.0),
    "small_toe": JointFigures(0.07, 0.01, 0.08, 0.015, 0.06, 10.0, 100.0),
}

# A line of sight at angle a to the axis of a limb of radius r meets the skin r / sin a
# in front of the axis. Half of all directions are closer than 60 degrees to an axis, so
# the median is r / sin 60. Heads are round, and facial points lie on the skin.
OBLIQUITY = 1.0 / math.sin(math.radians(60.0))
_ROUND = {
    *("head_top", "head", "nose", "eye", "ear"),
    *("skull_base", "eye_inner", "eye_outer", "mouth"),
}

# Smallest depth of a joint centre below the skin, as a share of the thickness: that of
# the thinnest cross section (a hand is 28 mm thick: 14 of 28), less sensor noise.
MIN_SKIN_SHARE = 0.4


# Flexion of AAOS (elbow 150, knee 135 active), plus a margin for soft tissue in deep
# squats and for "hand" or "foot" joints, which turn the direction of the distal bone.
MAX_FLEXION = {"elbow": math.radians(155.0), "knee": math.radians(160.0)}
# Largest hyperextension: 10 degrees are common (AAOS); the rest allows for the foot in
# front of the ankle and for marker noise.
HYPEREXTENSION = math.radians(15.0)

# A bone of typical length r H may measure (r / factor - slack) H to (factor r + slack)
# H. Limb bones end at clear landmarks; the definitions of neck, torso and hand differ
# between data sets by several centimetres. Measured on samples, 98.7 % of the bones of
# ITOP, 99.8 % of NTU's and all of HumanEva's are within.
BONE_SPREAD = {"limb": (1.25, 0.02), "other": (1.5, 0.05)}
# Pairs of joints that skeletons without a spine connect, although no bone does.
CONNECTIONS = (
    {"nose", "shoulder"},
    {"shoulder", "hip"},
    {"neck", "hip"},
    {"nose", "neck"},
    {"nose", "thorax"},
    {"nose", "head_top"},
)
# The distance from the knee to the ball of the foot is 8 % shorter to 13 % longer than
# at rest over the range of the ankle (AAOS: 20 degrees up, 50 down).
LINKS = {frozenset({"knee", "foot"}): 0.3}
_LIMB = {"shoulder", "elbow", "wrist", "hip", "knee", "ankle", "hand", "foot"}
_LOOSE = ({"wrist", "hand"}, {"ankle", "foot"}, *CONNECTIONS)


def joint_kind(joint: str) -> str:
    """The kind of a joint, its name without the side: "left_hip" -> "hip".

    Raises:
        ValueError: there are no figures for this kind.
    """
    name = definitions.without_side(joint)
    if name not in JOINTS:
        raise ValueError(f"no figures for joint {joint!r}; known: {sorted(JOINTS)}")
    return name


@definitions.accepts_name
def standing_pose(
    skeleton: definitions.Skeleton, *, stature: float = STATURE
) -> Float[Array, "joints 3"]:
    """Joints of a typical person who stands upright, arms down, and faces -z, metres.

    x points to the person's left, y down, with the floor at y = 0 (see `JOINTS`).

    Args:
        skeleton: names the joints.
        stature: metres.
    """
    rows = [_standing(name) for name in skeleton.joints]
    return stature * jnp.asarray([[x, -y, -z] for x, y, z in rows], dtype=jnp.float32)


@definitions.accepts_name
def skin_depths(skeleton: definitions.Skeleton) -> Float[Array, " joints"]:
    """Typical depth of joint centres below the visible skin, metres.

    Along the line of sight, for a body about `STATURE` tall: the thickness of the
    segment, times `OBLIQUITY` except for joints of the head.
    """
    oblique = [
        1.0 if joint_kind(name) in _ROUND else OBLIQUITY for name in skeleton.joints
    ]
    return _thickness(skeleton) * jnp.asarray(oblique, dtype=jnp.float32)


@definitions.accepts_name
def min_skin_depths(skeleton: definitions.Skeleton) -> Float[Array, " joints"]:
    """Smallest depth of joint centres below the visible skin, metres."""
    return MIN_SKIN_SHARE * _thickness(skeleton)


@definitions.accepts_name
def max_speeds(skeleton: definitions.Skeleton) -> Float[Array, " joints"]:
    """Largest speed of each joint, m/s."""
    return _per_joint(skeleton, lambda joint: joint.speed)


@definitions.accepts_name
def max_accelerations(skeleton: definitions.Skeleton) -> Float[Array, " joints"]:
    """Largest acceleration of each joint, m/s^2, at 30 frames per second."""
    return _per_joint(skeleton, lambda joint: joint.acceleration)


@definitions.accepts_name
def capsule_radii(skeleton: definitions.Skeleton) -> Float[Array, " bones"]:
    """Radius of the capsule around each bone that contains its body part, metres.

    The larger radius of the two ends, so that no point of the skin is outside.
    """
    return jnp.asarray(
        [
            max(JOINTS[end].radius for end in _ends(skeleton, child, parent))
            for child, parent in skeleton.bones
        ],
        dtype=jnp.float32,
    )


@definitions.accepts_name
def bone_ratios(skeleton: definitions.Skeleton) -> Float[Array, " bones"]:
    """Typical bone lengths as shares of stature (Drillis & Contini, see `JOINTS`)."""
    return jnp.asarray(_ratios(skeleton), dtype=jnp.float32)


@definitions.accepts_name
def plausible_bone_ratios(
    skeleton: definitions.Skeleton,
) -> tuple[Float[Array, " bones"], Float[Array, " bones"]]:
    """Shortest and longest plausible bone lengths, as shares of stature.

    Segment lengths vary by about 5 % between people of the same stature; most of the
    range covers the different joint definitions of data sets (`BONE_SPREAD`).
    """
    lo, hi = [], []
    for ratio, bone in zip(_ratios(skeleton), skeleton.bones, strict=True):
        ends = _ends(skeleton, *bone)
        is_limb = ends <= _LIMB and ends not in _LOOSE
        factor, slack = BONE_SPREAD["limb" if is_limb else "other"]
        lo.append(max(ratio / factor - slack, 0.0))
        hi.append(ratio * factor + slack)
    return jnp.asarray(lo, dtype=jnp.float32), jnp.asarray(hi, dtype=jnp.float32)


@definitions.accepts_name
def bone_rigidity(skeleton: definitions.Skeleton) -> Float[Array, " bones"]:
    """Rigidity of bones: 1 for constant length, 0 for lines that are no bones.

    In COCO's tree, the parent of a shoulder is the nose and that of a hip the shoulder:
    lines between joints that move relative to each other. `LINKS`, across a third
    joint, are in between.
    """
    rigid = [_rigidity(_ends(skeleton, *bone)) for bone in skeleton.bones]
    return jnp.asarray(rigid, dtype=jnp.float32)


@definitions.accepts_name
def max_flexions(skeleton: definitions.Skeleton) -> Float[Array, " hinges"]:
    """Largest angle between the two bones of each of `kinematics.hinges`, radians."""
    found = kinematics.hinges(skeleton)
    return jnp.asarray(
        [MAX_FLEXION[joint_kind(name)] for name, *_ in found], jnp.float32
    )


def _rigidity(ends: set[str]) -> float:
    return 0.0 if ends in CONNECTIONS else LINKS.get(frozenset(ends), 1.0)


def _thickness(skeleton: definitions.Skeleton) -> Array:
    return _per_joint(skeleton, lambda joint: joint.thickness)


def _per_joint(
    skeleton: definitions.Skeleton, figure: Callable[[JointFigures], float]
) -> Array:
    figures = [figure(JOINTS[joint_kind(name)]) for name in skeleton.joints]
    return jnp.asarray(figures, dtype=jnp.float32)


def _standing(joint: str) -> tuple[float, float, float]:
    figures = JOINTS[joint_kind(joint)]
    side = -1.0 if joint.startswith("right_") else 1.0
    return side * figures.lateral, figures.height, figures.forward


def _ratios(skeleton: definitions.Skeleton) -> list[float]:
    standing = [_standing(name) for name in skeleton.joints]
    return [math.dist(standing[c], standing[p]) for c, p in skeleton.bones]


def _ends(skeleton: definitions.Skeleton, child: int, parent: int) -> set[str]:
    return {joint_kind(skeleton.joints[child]), joint_kind(skeleton.joints[parent])}
