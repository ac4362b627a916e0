"""Rotations of a rig from joint positions.

A rig has bones of constant length and a rest pose (a T-pose, y up, facing z). Each
joint turns the bones that begin at it. Where several bones begin at a joint, each hangs
on a helper joint at the same place: people's shoulders and hips move against the spine,
and one rotation cannot follow all of them.
"""

import dataclasses

import numpy as np

from unipose_jax import skeleton as skeletons
from unipose_jax.skeleton import definitions

HELPER = "to_"  # begins the name of a helper joint

# Rest positions, as shares of stature: left, up, forward (heights of Drillis & Contini,
# as in physics.anthropometry). Only their directions are used.
_REST = {
    **{"pelvis": (0, 0.53, 0), "spine_1": (0, 0.6, 0), "spine_navel": (0, 0.62, 0)},
    **{"torso": (0, 0.685, 0), "spine_chest": (0, 0.73, 0), "spine_3": (0, 0.76, 0)},
    **{"thorax": (0, 0.81, 0), "neck": (0, 0.83, 0), "skull_base": (0, 0.89, 0)},
    **{"head": (0, 0.93, 0.01), "head_top": (0, 1.0, 0), "nose": (0, 0.915, 0.065)},
    **{"eye_inner": (0.01, 0.936, 0.052), "eye": (0.018, 0.936, 0.05)},
    **{"eye_outer": (0.026, 0.936, 0.045), "ear": (0.041, 0.925, 0.01)},
    **{"mouth": (0.014, 0.89, 0.06), "clavicle": (0.02, 0.81, 0)},
    **{"collar": (0.04, 0.8, 0), "shoulder": (0.105, 0.815, 0)},
    **{"elbow": (0.29, 0.815, 0), "wrist": (0.435, 0.815, 0)},
    **{"thumb_knuckle": (0.46, 0.815, 0.025), "thumb": (0.48, 0.815, 0.03)},
    **{"index_knuckle": (0.485, 0.815, 0.02), "pinky_knuckle": (0.48, 0.815, -0.02)},
    **{"hand": (0.485, 0.815, 0), "hand_tip": (0.54, 0.815, 0)},
    **{"hip": (0.05, 0.52, 0), "knee": (0.05, 0.285, 0), "ankle": (0.05, 0.039, 0)},
    **{"heel": (0.05, 0.01, -0.04), "foot": (0.05, 0.01, 0.08)},
    **{"big_toe": (0.045, 0.005, 0.11), "small_toe": (0.07, 0.005, 0.08)},
}
_PRIOR = 1e-4  # weight of the parent's rotation, m^2, where bones leave a turn open


@dataclasses.dataclass(frozen=True, eq=False)
class RigJoint:
    """A joint of the rig, with its children."""

    name: str
    offset: np.ndarray  # (3,), from the parent in the rest pose, metres
    rotation: np.ndarray  # (frames, 3, 3), in the frame of the parent
    children: tuple["RigJoint", ...] = ()


def build(
    xyz: np.ndarray,
    skeleton: skeletons.Skeleton,
    *,
    lengths: np.ndarray,
    present: np.ndarray,
) -> tuple[RigJoint, np.ndarray]:
    """Fits a rig to joint positions.

    Args:
        xyz: (frames, joints, 3), metres, y up; finite at joints that are present.
        skeleton: of the joints.
        lengths: (joints,), metres, from each joint to its parent among those present
            (`parents_among`).
        present: (joints,), joints that the rig has.

    Returns:
        The root, and its positions (frames, 3), metres.
    """
    parents = parents_among(skeleton, present)
    root = parents.index(-1)
    fit = _Fit(xyz, skeleton, parents, lengths)
    whole = np.broadcast_to(np.eye(3), (len(xyz), 3, 3))
    return fit.joint(root, np.zeros(3), whole), xyz[:, root]


def parents_among(
    skeleton: skeletons.Skeleton, present: np.ndarray
) -> tuple[int | None, ...]:
    """Parent of each joint in the tree of the joints that are present.

    Joints that are missing are bridged; without the root, the first of its descendants
    takes its place. -1 for the root, None for joints that are not present.
    """
    found: list[int | None] = []
    for joint in range(skeleton.num_joints):
        above = skeleton.parents[joint]
        while above >= 0 and not present[above]:
            above = skeleton.parents[above]
        found.append(above if present[joint] else None)
    roots = [joint for joint, parent in enumerate(found) if parent == -1]
    for joint in roots[1:]:
        found[joint] = roots[0]
    return tuple(found)


class _Fit:
    """Rotations of all joints, from the root outward."""

    def __init__(self, xyz, skeleton, parents, lengths):
        self.xyz, self.skeleton = xyz, skeleton
        self.parents, self.lengths = parents, lengths

    def joint(self, joint: int, offset: np.ndarray, above: np.ndarray) -> RigJoint:
        """The joint and all below it; `above` is the orientation of its parent."""
        children = [c for c, parent in enumerate(self.parents) if parent == joint]
        turn = self._orientation(joint, children, above)
        below = []
        for child in children:
            rest = self._rest_direction(joint, child)
            length, name = self.lengths[child], self.skeleton.joints[child]
            if len(children) == 1:
                below.append(self.joint(child, length * rest, turn))
                continue
            aimed = _swing(turn @ rest, self._bone(joint, child)) @ turn
            below.append(
                RigJoint(
                    HELPER + name,
                    np.zeros(3),
                    _transposed(turn) @ aimed,
                    (self.joint(child, length * rest, aimed),),
                )
            )
        name = self.skeleton.joints[joint]
        return RigJoint(name, offset, _transposed(above) @ turn, tuple(below))

    def _orientation(self, joint, children, above):
        if not children:
            return above
        rest = np.array([self._rest_direction(joint, child) for child in children])
        bones = np.stack([self._bone(joint, child) for child in children], axis=1)
        if len(children) == 1:
            return _swing(above @ rest[0], bones[:, 0]) @ above
        rest = rest * self.lengths[children, None]
        return _nearest_rotation(np.einsum("tci,cj->tij", bones, rest) + _PRIOR * above)

    def _bone(self, joint, child):
        return self.xyz[:, child] - self.xyz[:, joint]

    def _rest_direction(self, joint, child):
        ends = [_rest_position(self.skeleton.joints[end]) for end in (joint, child)]
        vector = ends[1] - ends[0]
        length = np.linalg.norm(vector)
        return vector / length if length > 0 else np.array([0.0, 1.0, 0.0])


def _rest_position(joint: str) -> np.ndarray:
    left, up, forward = _REST[definitions.without_side(joint)]
    return np.array([-left if joint.startswith("right_") else left, up, forward])


def _transposed(rotation: np.ndarray) -> np.ndarray:
    return np.swapaxes(rotation, -1, -2)


def _nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """Rotations R that maximise trace(R^T M) (Kabsch, Acta Cryst. A32, 1976)."""
    left, _, right = np.linalg.svd(matrix)
    sign = np.sign(np.linalg.det(left @ right))
    left[..., -1] *= sign[..., None]
    return left @ right


def _swing(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Smallest rotations from directions `start` to `end`; none for zero vectors."""
    size = np.linalg.norm(end, axis=-1, keepdims=True)
    end = np.where(size > 1e-9, end / np.maximum(size, 1e-9), start)
    cosine = np.sum(start * end, axis=-1)
    opposite = cosine < -1.0 + 1e-9
    axis = np.cross(start, end)
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    share = 1.0 / np.where(opposite, 1.0, 1.0 + cosine)
    turn = np.eye(3) + cross + cross @ cross * share[:, None, None]
    aside = np.eye(3)[np.abs(start).argmin(axis=-1)]  # not parallel to start
    normal = np.cross(start, aside)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    half = 2.0 * normal[:, :, None] * normal[:, None] - np.eye(3)
    return np.where(opposite[:, None, None], half, turn)
