"""Motion capture as joint positions: reads clips and converts them to `BODY` joints.

Reads npz files with NumPy. A clip keeps the person's bone lengths; only missing joints
(face, hands, feet) are added, at rest offsets from head, wrist and ankle.
"""

import dataclasses
import pathlib

import numpy as np
from jaxtyping import Float

from unipose_jax.skeleton import definitions
from unipose_jax.synthesis.motion import body_shape as shapes

BODY = shapes.BODY

# Joints of CMU's skeleton (mocap.cs.cmu.edu, BVH conversion) by our names. Its "Hips"
# is above the hip joints, and its "End_Head" is the middle of the skull. "LeftHand" and
# "RightHand" are converted separately.
_CMU = {"torso": "Spine", "neck": "Neck1", "head": "End_Head"}
_CMU_LIMBS = {
    "shoulder": "Arm",
    "elbow": "ForeArm",
    "hip": "UpLeg",
    "knee": "Leg",
    "ankle": "Foot",
    "foot": "ToeBase",
}
_CMU |= {
    f"{side.lower()}_{joint}": f"{side}{bone}"
    for side in ("Left", "Right")
    for joint, bone in _CMU_LIMBS.items()
}
_CMU_HANDS = {
    f"{side}Hand{end}" for side in ("Left", "Right") for end in ("", "Index1")
}
_CMU_NAMES = {*_CMU.values(), *_CMU_HANDS, "Spine1", "Head"}
# The original ASF files split the forearm into radius and wrist, which is half as long
# as the radius; the BVH files omit the wrist's length.
_CMU_FOREARM = 1.5

_REQUIRED_JOINTS = tuple(
    f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)
_UP_AXES = ("y", "-y", "z")


@dataclasses.dataclass(frozen=True)
class Clip:
    """Joints of one person over time.

    `xyz` (frames, joints, 3) is in metres, y down, in the order of `joint_names`.
    """

    xyz: np.ndarray
    joint_names: tuple[str, ...]
    fps: float


def load_clips(path: str | pathlib.Path, *, max_step: float = 0.35) -> dict[str, Clip]:
    """Reads all clips of an npz file, by name.

    The file is either a pose file (`xyz`, `skeleton`, `time`; camera frame, so y down),
    or has `joint_names` (or `skeleton`) and arrays (frames, joints, 3) in metres, such
    as the CMU file of the sample data. In the second case `fps` (default 30) and `up`
    ("y", the default, "-y" or "z") are read too.

    Args:
        path: the npz file; never unpickled.
        max_step: largest plausible motion of a joint between frames, metres. A clip
            is split where it is exceeded and its longest part is kept.

    Raises:
        ValueError: the file contains no clip, or neither joint names nor a skeleton.
    """
    # Opened here, because NumPy does not close a truncated file that it opened.
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    names = _joint_names(data, path)
    up = str(data.get("up", "-y" if "skeleton" in data else "y"))
    if up not in _UP_AXES:
        raise ValueError(f"{path}: up is {up!r}; use one of {', '.join(_UP_AXES)}")
    fps = _frame_rate(data)
    clips = {}
    for name, values in data.items():
        if values.shape[1:] == (len(names), 3) and len(values):
            xyz = _longest_continuous_part(
                _to_y_down(values.astype(np.float32), up), max_step
            )
            if len(xyz):
                clips[name] = Clip(xyz, names, fps)
    if not clips:
        shape = f"(frames, {len(names)}, 3)"
        raise ValueError(f"{path}: no array {shape} with a complete frame")
    return clips


def _joint_names(data: dict, path) -> tuple[str, ...]:
    """Joint names of a file: `joint_names`, or those of its `skeleton`."""
    if "joint_names" in data:
        return tuple(str(name) for name in data["joint_names"])
    if "skeleton" in data:
        return definitions.by_name(str(data["skeleton"])).joints
    raise ValueError(f"{path}: neither joint_names nor skeleton among {sorted(data)}")


def _frame_rate(data: dict) -> float:
    """Frames per second from `fps`, from `time`, or 30."""
    fps = 30.0
    if "fps" in data:
        fps = float(data["fps"])
    elif "time" in data and len(data["time"]) > 1:
        fps = float(1.0 / np.median(np.diff(data["time"])))
    if not 0.0 < fps < np.inf:
        raise ValueError(f"{fps:g} frames per second are no rate")
    return fps


def _to_y_down(xyz: np.ndarray, up: str) -> np.ndarray:
    """Rotates joints about a horizontal axis so that y points down."""
    x, y, z = np.moveaxis(xyz, -1, 0)
    return np.stack({"y": (x, -y, -z), "-y": (x, y, z), "z": (x, -z, y)}[up], -1)


def _longest_continuous_part(xyz: np.ndarray, max_step: float) -> np.ndarray:
    """Longest part of a clip without jumps and gaps; empty if no frame is complete.

    Joints that are missing in every frame are ignored.
    """
    present = np.isfinite(xyz).any(axis=(0, 2))
    whole = np.isfinite(xyz[:, present]).all(axis=(1, 2)) & present.any()
    step = np.linalg.norm(np.diff(xyz[:, present], axis=0), axis=-1)
    joined = whole[1:] & whole[:-1] & (step <= max_step).all(axis=-1)
    edges = np.concatenate([[0], np.flatnonzero(~joined) + 1, [len(xyz)]])
    lengths = np.where(whole[edges[:-1]], np.diff(edges), 0)
    start = int(np.argmax(lengths))
    return xyz[edges[start] : edges[start] + lengths[start]]


def to_body(clip: Clip) -> Float[np.ndarray, "frames joints 3"]:
    """Joints of `skeleton.BODY` for each frame of a clip, floor at y = 0.

    Missing joints are added: the spine by midpoints; face, hands and feet at the rest
    offsets of the reference person, scaled by the person's limb lengths. Without ears
    the head's orientation follows the shoulders.

    Args:
        clip: joints of CMU's skeleton, or joints with the names of `skeleton.BODY`.

    Returns:
        Joints in metres, world frame (y down). The floor is the 5th percentile of the
        soles' height over the clip.

    Raises:
        ValueError: a joint that cannot be derived from others is missing.
    """
    known = (
        _cmu_joints(clip) if "End_Head" in clip.joint_names else _joints_by_name(clip)
    )
    missing = [name for name in _REQUIRED_JOINTS if name not in known]
    if missing:
        raise ValueError(f"clip lacks {missing}; it has {clip.joint_names}")
    scale = _body_scale(known)
    _complete_spine(known)
    frame = _trunk_frame(known)
    _complete_head(known, frame, scale)
    for side in ("left", "right"):
        _complete_hand(known, side, frame, scale)
        _complete_foot(known, side, frame, scale)
    xyz = np.stack([known[name] for name in BODY.joints], axis=1)
    soles = [BODY.index("left_foot"), BODY.index("right_foot")]
    lowest = xyz[:, soles, 1].max(-1) + scale * shapes.BALL_HEIGHT
    xyz[..., 1] -= np.percentile(lowest, 95)
    return xyz.astype(np.float32)


def _joints_by_name(clip: Clip) -> dict[str, np.ndarray]:
    """Joints of a clip by name, without those that are missing."""
    return {
        name: clip.xyz[:, i]
        for i, name in enumerate(clip.joint_names)
        if np.isfinite(clip.xyz[:, i]).all()
    }


def _cmu_joints(clip: Clip) -> dict[str, np.ndarray]:
    """Joints of a CMU clip by our names, and the directions of hands and head."""
    joints = _joints_by_name(clip)
    if missing := sorted(_CMU_NAMES - joints.keys()):
        raise ValueError(f"not CMU's joints: {', '.join(missing)} missing")
    known = {meaning: joints[name] for meaning, name in _CMU.items()}
    for side in ("left", "right"):
        title = side.title()
        elbow, end = joints[f"{title}ForeArm"], joints[f"{title}Hand"]
        known[f"{side}_wrist"] = elbow + _CMU_FOREARM * (end - elbow)
        known[f"{side}_hand_dir"] = joints[f"{title}HandIndex1"] - end
    spine, neck = joints["Spine1"], joints["Neck1"]
    known["thorax"] = spine + 0.75 * (neck - spine)
    known["head_up"] = joints["End_Head"] - joints["Head"]
    return known


def _length(known: dict, a: str, b: str) -> float:
    """Median distance between two joints over a clip, metres."""
    return float(np.median(np.linalg.norm(known[a] - known[b], axis=-1)))


def _body_scale(known: dict) -> float:
    """Length of leg and upper arm relative to the reference person."""
    pairs = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"))
    own = sum(
        _length(known, f"{side}_{a}", f"{side}_{b}")
        for side in ("left", "right")
        for a, b in pairs
    )
    rest = sum(2.0 * np.linalg.norm(_rest_offset(f"right_{b}")) for _, b in pairs)
    return own / float(rest)


def _rest_offset(name: str) -> np.ndarray:
    """Rest offset of a joint of the reference person (right, down, forward), metres."""
    return shapes.REST_OFFSETS[BODY.index(name)]


def _middle(known: dict, a: str, b: str) -> np.ndarray:
    return 0.5 * (known[a] + known[b])


def _complete_spine(known: dict) -> None:
    """Adds pelvis, thorax, neck and torso where they are missing."""
    known["pelvis"] = _middle(known, "left_hip", "right_hip")
    shoulders = _middle(known, "left_shoulder", "right_shoulder")
    known.setdefault("thorax", shoulders)
    known.setdefault("neck", shoulders)
    known.setdefault("torso", _middle(known, "pelvis", "thorax"))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _frame(right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Rotations with columns right, down, forward; `down` is kept, `right` adjusted."""
    down = _unit(down)
    forward = _unit(np.cross(right, down))
    return np.stack([np.cross(down, forward), down, forward], axis=-1)


def _trunk_frame(known: dict) -> np.ndarray:
    """Frames of the upper trunk, (frames, 3, 3)."""
    right = known["right_shoulder"] - known["left_shoulder"]
    return _frame(right, known["pelvis"] - known["neck"])


def _attach(frame: np.ndarray, offset: np.ndarray, scale: float) -> np.ndarray:
    return scale * np.einsum("tij,j->ti", frame, offset)


def _complete_head(known: dict, frame: np.ndarray, scale: float) -> None:
    """Adds the head's joints, aligned with the neck unless `head_up` is given."""
    ears = "left_ear" in known and "right_ear" in known
    if "head" not in known:
        if ears:
            known["head"] = _middle(known, "left_ear", "right_ear")
        else:
            known["head"] = known["neck"] + _attach(frame, _rest_offset("head"), scale)
    up = known.get("head_up", known["head"] - known["neck"])
    right = frame[..., 0]
    if ears:
        right = known["right_ear"] - known["left_ear"]
    head_frame = _frame(right, -up)
    for name in ("head_top", "nose", "left_eye", "right_eye", "left_ear", "right_ear"):
        place = known["head"] + _attach(head_frame, _rest_offset(name), scale)
        known.setdefault(name, place)


def _complete_hand(known: dict, side: str, frame: np.ndarray, scale: float) -> None:
    """Adds hand, tip and thumb along the hand if the clip has it, else the forearm."""
    wrist = known[f"{side}_wrist"]
    forearm = wrist - known[f"{side}_elbow"]
    along = known.get(f"{side}_hand_dir", forearm)
    # The thumb points forward from a hanging hand, and inwards from a raised one.
    inwards = frame[..., 0] if side == "left" else -frame[..., 0]
    thumb = _unit(frame[..., 2] + 0.5 * inwards)
    right = np.cross(_unit(along), thumb)
    hand_frame = _frame(right, along)
    known.setdefault(
        f"{side}_hand", wrist + _attach(hand_frame, _rest_offset(f"{side}_hand"), scale)
    )
    for name in (f"{side}_hand_tip", f"{side}_thumb"):
        place = known[f"{side}_hand"] + _attach(hand_frame, _rest_offset(name), scale)
        known.setdefault(name, place)


def _complete_foot(known: dict, side: str, frame: np.ndarray, scale: float) -> None:
    """Adds the ball of the foot, with the foot at a right angle to the shank."""
    if f"{side}_foot" in known:
        return
    ankle = known[f"{side}_ankle"]
    thigh = known[f"{side}_knee"] - known[f"{side}_hip"]
    shank = ankle - known[f"{side}_knee"]
    # A bent knee gives the forward direction of the leg; for a straight one it is the
    # trunk's.
    ahead = _unit(_unit(thigh) - _unit(shank) + 0.1 * frame[..., 2])
    leg_frame = _frame(np.cross(_unit(shank), ahead), shank)
    known[f"{side}_foot"] = ankle + _attach(
        leg_frame, _rest_offset(f"{side}_foot"), scale
    )
