"""Named skeletons of data sets and detectors, and conversion by joint names.

All skeletons use the joint names of `BODY`:

- head_top: top of the skull; head: centre of the skull; nose, eyes, ears.
- neck: base of the neck. thorax: spine between the shoulders (Kinect v2
  SpineShoulder). torso: middle of the spine. pelvis: between the hips.
- shoulder, elbow, wrist, hand (palm), hand_tip, thumb, hip, knee, ankle, foot (ball
  of the foot), each left_ and right_. Left is the person's own left.

Skeletons of trackers (`TRACKERS`) also have joints that `BODY` lacks: toes, heels,
knuckles, clavicles and parts of the spine. They keep their own names.
"""

import dataclasses
import difflib
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import arrays
from unipose_jax.skeleton import trackers

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """An ordered set of named joints and the tree of bones between them.

    Attributes:
        name: used in configs and pose files.
        joints: name of each joint, in order.
        parents: index of each joint's parent, -1 for a root.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]

    def __post_init__(self):
        if len(set(self.joints)) != len(self.joints):
            raise ValueError(f"skeleton {self.name!r} repeats a joint: {self.joints}")
        if len(self.parents) != len(self.joints):
            raise ValueError(
                f"skeleton {self.name!r} has {len(self.joints)} joints but "
                f"{len(self.parents)} parents"
            )
        rooted = {-1}
        for _ in self.joints:
            rooted |= {j for j, p in enumerate(self.parents) if p in rooted}
        lost = [name for j, name in enumerate(self.joints) if j not in rooted]
        if lost:
            raise ValueError(
                f"skeleton {self.name!r}: joints without a root as ancestor: {lost}"
            )

    @property
    def num_joints(self) -> int:
        """Number of joints."""
        return len(self.joints)

    @property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(child, parent) joint indices of every bone, in the order of the children."""
        return tuple((c, p) for c, p in enumerate(self.parents) if p >= 0)

    @property
    def bone_ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Joint indices of the children and of the parents of `bones`, int32 arrays."""
        child, parent = np.asarray(self.bones, dtype=np.int32).reshape(-1, 2).T
        return child, parent

    @property
    def bone_names(self) -> tuple[str, ...]:
        """Names "parent-child" of the bones, in the order of `bones`."""
        return tuple(f"{self.joints[p]}-{self.joints[c]}" for c, p in self.bones)

    @property
    def mirror(self) -> tuple[int, ...]:
        """Permutation of the joints that swaps left and right."""
        names = [_other_side(name) for name in self.joints]
        return tuple(
            self.joints.index(name) if name in self.joints else joint
            for joint, name in enumerate(names)
        )

    @property
    def bone_pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) indices into `bones` of the bones that mirror each other."""
        mirrored = [(self.mirror[c], self.mirror[p]) for c, p in self.bones]
        return tuple(
            (bone, self.bones.index(mirrored[bone]))
            for bone, (child, _) in enumerate(self.bones)
            if self.joints[child].startswith("left_") and mirrored[bone] in self.bones
        )

    def index(self, name: str) -> int:
        """Index of a joint by its name.

        Raises:
            ValueError: the skeleton has no such joint.
        """
        if name not in self.joints:
            raise ValueError(
                f"skeleton {self.name!r} has no joint {name!r}; it has {self.joints}"
            )
        return self.joints.index(name)


def without_side(name: str) -> str:
    """The name of a joint without its side: "left_hip" -> "hip"."""
    return name.removeprefix("left_").removeprefix("right_")


def _other_side(name):
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


def _skeleton(name, tree):
    """Builds a skeleton from "joint<parent" entries in joint order; roots have none."""
    for short, long in (("l:", "left_"), ("r:", "right_")):
        tree = tree.replace(short, long)
    entries = [entry.partition("<")[::2] for entry in tree.split()]
    joints = tuple(joint for joint, _ in entries)
    parents = tuple(joints.index(parent) if parent else -1 for _, parent in entries)
    return Skeleton(name, joints, parents)


ITOP15 = _skeleton(
    "ITOP15",
    """
    head<neck neck<torso r:shoulder<neck l:shoulder<neck r:elbow<r:shoulder
    l:elbow<l:shoulder r:hand<r:elbow l:hand<l:elbow torso r:hip<torso l:hip<torso
    r:knee<r:hip l:knee<l:hip r:foot<r:knee l:foot<l:knee
    """,
)

# COCO annotates no spine. The root of the tree is the nose; nose-shoulder and
# shoulder-hip connect joints that move relative to each other.
COCO17 = _skeleton(
    "COCO17",
    """
    nose l:eye<nose r:eye<nose l:ear<l:eye r:ear<r:eye l:shoulder<nose
    r:shoulder<nose l:elbow<l:shoulder r:elbow<r:shoulder l:wrist<l:elbow
    r:wrist<r:elbow l:hip<l:shoulder r:hip<r:shoulder l:knee<l:hip r:knee<r:hip
    l:ankle<l:knee r:ankle<r:knee
    """,
)

# Order of CMU Panoptic's hdPose3d_stage1_coco19.
PANOPTIC19 = _skeleton(
    "PANOPTIC19",
    """
    neck<pelvis nose<neck pelvis l:shoulder<neck l:elbow<l:shoulder l:wrist<l:elbow
    l:hip<pelvis l:knee<l:hip l:ankle<l:knee r:shoulder<neck r:elbow<r:shoulder
    r:wrist<r:elbow r:hip<pelvis r:knee<r:hip r:ankle<r:knee l:eye<nose l:ear<l:eye
    r:eye<nose r:ear<r:eye
    """,
)

# Order of Kinect v2, also used by NTU RGB+D. The names are the person's own sides, but
# Kinect mirrors its images and x: with y turned down, coordinates are left-handed, and
# the arm that the image shows as the left one is called right. Swap names by `mirror`
# to match the image.
NTU25 = _skeleton(
    "NTU25",
    """
    pelvis torso<pelvis neck<thorax head<neck l:shoulder<thorax l:elbow<l:shoulder
    l:wrist<l:elbow l:hand<l:wrist r:shoulder<thorax r:elbow<r:shoulder
    r:wrist<r:elbow r:hand<r:wrist l:hip<pelvis l:knee<l:hip l:ankle<l:knee
    l:foot<l:ankle r:hip<pelvis r:knee<r:hip r:ankle<r:knee r:foot<r:ankle
    thorax<torso l:hand_tip<l:hand l:thumb<l:hand r:hand_tip<r:hand r:thumb<r:hand
    """,
)

# Human3.6M as in the lifting literature (17 of 32 joints; J. Martinez et al., ICCV
# 2017). Its "foot" is the ankle, "spine" the middle of the spine, "neck/nose" a point
# at the height of the face, and "head" the top of the head.
H36M17 = _skeleton(
    "H36M17",
    """
    pelvis r:hip<pelvis r:knee<r:hip r:ankle<r:knee l:hip<pelvis l:knee<l:hip
    l:ankle<l:knee torso<pelvis thorax<torso nose<thorax head_top<nose
    l:shoulder<thorax l:elbow<l:shoulder l:wrist<l:elbow r:shoulder<thorax
    r:elbow<r:shoulder r:wrist<r:elbow
    """,
)

# HumanEva-I as VideoPose3D prepares it (facebookresearch/VideoPose3D).
HUMANEVA15 = _skeleton(
    "HUMANEVA15",
    """
    pelvis thorax<pelvis l:shoulder<thorax l:elbow<l:shoulder l:wrist<l:elbow
    r:shoulder<thorax r:elbow<r:shoulder r:wrist<r:elbow l:hip<pelvis l:knee<l:hip
    l:ankle<l:knee r:hip<pelvis r:knee<r:hip r:ankle<r:knee head<thorax
    """,
)

# Order of the twenty Kinect v1 joints in MSR Action3D, checked on its files: joint 2 is
# the shoulder centre, 3 the spine, 6 the hip centre, 19 the head. Joints 1, 8, 10 and
# 12 are the arm that performs the actions, the right one by the instructions of the
# data set. Images and x are mirrored as in NTU25.
MSR20 = _skeleton(
    "MSR20",
    """
    l:shoulder<thorax r:shoulder<thorax thorax<torso torso<pelvis l:hip<pelvis
    r:hip<pelvis pelvis l:elbow<l:shoulder r:elbow<r:shoulder l:wrist<l:elbow
    r:wrist<r:elbow l:hand<l:wrist r:hand<r:wrist l:knee<l:hip r:knee<r:hip
    l:ankle<l:knee r:ankle<r:knee l:foot<l:ankle r:foot<r:ankle head<thorax
    """,
)

# All joint names; synthesis and conversions start from it.
BODY = _skeleton(
    "BODY",
    """
    pelvis torso<pelvis thorax<torso neck<thorax head<neck head_top<head nose<head
    l:eye<head r:eye<head l:ear<head r:ear<head
    l:shoulder<thorax l:elbow<l:shoulder l:wrist<l:elbow l:hand<l:wrist
    l:hand_tip<l:hand l:thumb<l:hand
    r:shoulder<thorax r:elbow<r:shoulder r:wrist<r:elbow r:hand<r:wrist
    r:hand_tip<r:hand r:thumb<r:hand
    l:hip<pelvis l:knee<l:hip l:ankle<l:knee l:foot<l:ankle
    r:hip<pelvis r:knee<r:hip r:ankle<r:knee r:foot<r:ankle
    """,
)

_TRACKED = tuple(_skeleton(name, tree) for name, tree in trackers.TREES.items())
_TRAINED = (ITOP15, COCO17, PANOPTIC19, NTU25, H36M17, HUMANEVA15, MSR20, BODY)
_BY_NAME = {skeleton.name: skeleton for skeleton in (*_TRAINED, *_TRACKED)}
# Skeletons of data sets, which the renderer has, and skeletons of trackers.
NAMES = tuple(skeleton.name for skeleton in _TRAINED)
TRACKERS = tuple(trackers.TREES)

_SHOULDERS = ("left_shoulder", "right_shoulder")
_HIPS = ("left_hip", "right_hip")

# Means of other joints that replace a missing one, in order of preference. Each has
# one, two or four joints. docs/skeletons.md measures their errors.
_DERIVED: dict[str, tuple[tuple[str, ...], ...]] = {
    "pelvis": (_HIPS,),
    "thorax": (_SHOULDERS,),
    "neck": (_SHOULDERS,),
    "torso": (
        ("spine_navel", "spine_chest"),
        ("thorax", "pelvis"),
        _SHOULDERS + _HIPS,
    ),
    "head": (("left_ear", "right_ear"), ("nose", "head_top")),
    **{
        f"{side}_hand": ((f"{side}_index_knuckle", f"{side}_pinky_knuckle"),)
        for side in ("left", "right")
    },
}


def by_name(name: str) -> Skeleton:
    """The skeleton called `name`, one of `NAMES` and `TRACKERS`.

    Upper and lower case, spaces, "-" and "_" make no difference. Names that SDKs use,
    such as BODY_34 and K4ABT, are known, too.

    Raises:
        ValueError: there is no such skeleton; the message names similar ones.
    """
    key = _plain(str(name))
    known = {_plain(each): each for each in _BY_NAME} | trackers.ALIASES
    if key in known:
        return _BY_NAME[known[key]]
    near = difflib.get_close_matches(key, known, n=2, cutoff=0.6)
    guess = " or ".join(dict.fromkeys(known[each] for each in near))
    raise ValueError(
        f"unknown skeleton {name!r}; {f'did you mean {guess}? ' if guess else ''}"
        f"use one of {', '.join(_BY_NAME)}"
    )


def resolve(skeleton: object) -> Skeleton:
    """The skeleton itself, or the one of that name; see `by_name`.

    Raises:
        ValueError: there is no such skeleton, or it is no name.
    """
    if isinstance(skeleton, Skeleton):
        return skeleton
    if isinstance(skeleton, str):
        return by_name(skeleton)
    raise ValueError(
        f"a skeleton is a Skeleton or a name, such as 'ITOP15', not {skeleton!r}"
    )


def accepts_name(
    function: Callable[_Arguments, _Result],
) -> Callable[_Arguments, _Result]:
    """Decorator: the argument `skeleton` may also be the name of a skeleton."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        if "skeleton" in kwargs:
            kwargs["skeleton"] = resolve(kwargs["skeleton"])
        else:
            args = tuple(resolve(a) if isinstance(a, str) else a for a in args)
        return function(*args, **kwargs)

    return call


def _plain(name):
    return name.upper().translate(dict.fromkeys(map(ord, " -_")))


def convert(
    values: Float[Array | np.ndarray, "*batch joints channels"],
    source: Skeleton | str,
    target: Skeleton | str,
    *,
    derive: bool = False,
) -> tuple[
    Float[Array | np.ndarray, "*batch target channels"],
    Bool[Array | np.ndarray, " target"],
]:
    """Reorders joints from one skeleton to another, by name.

    A joint that the source lacks becomes NaN and invalid. It is not replaced by a joint
    nearby: an ankle is not a foot, a wrist not a hand, a nose not a head.

    Args:
        values: any per-joint values of the source, in any unit and frame: xyz, uv.
        source: skeleton of `values`, or its name.
        target: wanted skeleton, or its name.
        derive: compute missing joints as means of others, where the source has these:
            pelvis from the hips; thorax and neck from the shoulders; torso from the
            spine at navel and chest, from thorax and pelvis, or from shoulders and
            hips; head from the ears, or from nose and head_top; hands from the
            knuckles. Good for xyz, approximate for uv.

    Returns:
        Values in the order of `target`, and whether each joint comes from the source.
        A NaN in `values` stays NaN and is valid. NumPy arrays give NumPy arrays, JAX
        arrays give JAX arrays.

    Raises:
        ValueError: a name is unknown, or `values` has another number of joints.
    """
    source, target = resolve(source), resolve(target)
    if values.shape[-2] != source.num_joints:
        raise ValueError(
            f"values have {values.shape[-2]} joints; {source.name} has "
            f"{source.num_joints}"
        )
    xp = arrays.namespace(values)
    groups = [_sources(joint, source, derive) for joint in target.joints]
    width = max(map(len, groups), default=1) or 1
    # Cycling a group of 1, 2 or 4 fills 4 places evenly, and so keeps the mean.
    index = np.array([((group or (0,)) * width)[:width] for group in groups])
    gathered = values[..., xp.asarray(index), :]
    valid = xp.asarray([bool(group) for group in groups])
    known = xp.broadcast_to(
        valid[:, None], (*gathered.shape[:-3], *gathered.shape[-3::2])
    )
    return xp.where(known, xp.mean(gathered, axis=-2), xp.nan), valid


def _sources(joint, source, derive):
    """Indices of the source joints whose mean is `joint`; empty where there is none."""
    options = ((joint,), *(_DERIVED.get(joint, ()) if derive else ()))
    for option in options:
        if set(option) <= set(source.joints):
            return tuple(source.index(name) for name in option)
    return ()
