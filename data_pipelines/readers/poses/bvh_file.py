"""BVH files of poses: hierarchy, root position and local rotations.

Written in centimetres with y up, rotations in degrees in the order Z, X, Y. BVH names
no unit; it is read from the length of arms and legs.
"""

import pathlib

import numpy as np

from data_pipelines.ground import pose_file
from data_pipelines.readers.mocap import bvh
from data_pipelines.readers.poses import rig
from unipose_jax import atomic, errors
from unipose_jax import skeleton as skeletons
from unipose_jax.skeleton import names, units

METRES_PER_UNIT = 0.01  # of files that are written
Y_UP = np.array([1.0, -1.0, -1.0])  # camera axes (y down, z forward) to y up and back
_CMU_UNIT = 0.0254 / 0.45  # of the conversions of CMU's files
# Median length of arm and leg bones in the unit of the file: unit in metres.
_UNITS = (
    (0.1, 0.7, 1.0, "metres"),
    (3.0, 8.0, _CMU_UNIT, "CMU's unit (1/0.45 inch)"),
    (10.0, 70.0, 0.01, "centimetres"),
    (100.0, 700.0, 0.001, "millimetres"),
)
_END = 0.05  # length of the last bone of a chain, metres
_MAX_GROWTH = 4  # frames after resampling, per frame before
_EVEN = 0.05  # largest deviation of a frame from even times, frames
_MAX_STEP = 1.0  # seconds between frames in a BVH file


def read(path: pathlib.Path, skeleton: skeletons.Skeleton | None) -> pose_file.PoseFile:
    """Reads the joints of a BVH file, in camera axes.

    Joints that the skeleton has and the file lacks are invalid. Of files with the names
    of a motion-capture rig, the joints that `BODY` has are read.

    Args:
        path: the file, with y up.
        skeleton: of the joints; None: found from their names.

    Raises:
        errors.BadInput: the file cannot be read, or its joints are unknown.
    """
    file = bvh.read(path)
    if not len(file.xyz):
        raise errors.BadInput(f"{path} has no frames")
    own = [n for n in file.joint_names if not n.startswith((rig.HELPER, "End_"))]
    body, place = _joint_places(own, skeleton, path)
    xyz = np.full((len(file.xyz), body.num_joints, 3), np.nan)
    for name, joint in place.items():
        xyz[:, joint] = file.xyz[:, file.joint_names.index(name)]
    xyz *= _unit(xyz, body, path) * Y_UP
    valid = np.isfinite(xyz).all(axis=-1)
    pose = pose_file.PoseFile(
        xyz=xyz.astype(np.float32),
        confidence=valid.astype(np.float32),
        skeleton=body.name,
        time=np.arange(len(xyz)) / file.fps,
        valid=valid,
    )
    return pose_file.as_read(pose, str(path))


def write(path: pathlib.Path, pose: pose_file.PoseFile) -> list[str]:
    """Writes poses as BVH, with the median lengths of the bones.

    Missing joints are interpolated in time; joints that no frame has are left out.

    Returns:
        One line for each change of the poses.

    Raises:
        errors.BadInput: no joint is known, or frames are too far apart in time.
    """
    known = pose.is_valid()
    present = np.any(known, axis=0)
    if not present.any():
        raise errors.BadInput(f"{path}: no joint of any frame is valid")
    body = skeletons.by_name(pose.skeleton)
    time, fps, notes = _even_times(pose.time, path)
    xyz, filled = _filled(pose, known, time)
    if filled:
        notes.append(f"{filled} missing joints interpolated (BVH cannot mark them)")
    if left := [n for n, ok in zip(body.joints, present, strict=True) if not ok]:
        notes.append(f"joints that no frame has are left out: {', '.join(left)}")
    lengths = _median_lengths(pose, known, rig.parents_among(body, present))
    root, places = rig.build(xyz * Y_UP, body, lengths=lengths, present=present)
    lines = ["HIERARCHY", *_hierarchy(root, 0), "MOTION", f"Frames: {len(time)}"]
    lines.append(f"Frame Time: {1.0 / fps:.9f}")
    angles = [_degrees(joint.rotation) for joint in _depth_first(root)]
    values = np.concatenate([places / METRES_PER_UNIT, *angles], axis=1)
    lines += [" ".join(f"{value:.6f}" for value in row) for row in values]
    atomic.write_text(path, "\n".join(lines) + "\n")
    change = 1000 * _changes(path, xyz, body, present)
    notes.append(
        f"bones have constant length in BVH: joints are {np.median(change):.0f} mm "
        f"(median) to {change.max():.0f} mm from the poses; unit: centimetres, y up"
    )
    return notes


def _joint_places(
    joints: list[str], skeleton: skeletons.Skeleton | None, path: pathlib.Path
) -> tuple[skeletons.Skeleton, dict[str, int]]:
    """The skeleton, and the index in it of each joint of the file that it has."""
    if skeleton is None:
        try:
            skeleton = names.find_skeleton(joints)
        except ValueError as error:
            ours = {name: names.rig_joint(name) for name in joints}
            found = {name: joint for name, joint in ours.items() if joint}
            if len(set(found.values())) < 8:
                raise errors.BadInput(f"{path}: {error}") from error
            left = [name for name in joints if name not in found]
            errors.warn(
                f"{path}: {len(found)} joints of a motion-capture rig are read"
                f" as BODY; ignored: {', '.join(left) or 'none'}"
            )
            body = skeletons.BODY
            return body, {name: body.index(joint) for name, joint in found.items()}
    places = {name: names.find_joint(name, skeleton) for name in joints}
    known = {name: joint for name, joint in places.items() if joint is not None}
    if not known:
        raise errors.BadInput(f"{path} has no joint of {skeleton.name}: {joints[:5]}")
    if len(set(known.values())) < len(known):
        raise errors.BadInput(f"{path} has two joints with the same meaning")
    return skeleton, known


def _unit(xyz: np.ndarray, body: skeletons.Skeleton, path: pathlib.Path) -> float:
    """Metres per unit of the file, from the length of arms and legs."""
    length = units.limb_length(xyz, skeleton=body)
    for low, high, metres, name in _UNITS:
        if low <= length <= high:
            errors.warn(
                f"{path}: read as {name}: arms and legs {100 * metres * length:.0f} cm"
            )
            return metres
    raise errors.BadInput(
        f"{path}: arms and legs are {length:.3g} long (median of their bones), which is"
        " no person in metres, centimetres or millimetres"
    )


def _even_times(
    time: np.ndarray, path: pathlib.Path
) -> tuple[np.ndarray, float, list[str]]:
    """Evenly spaced times over those of the poses, their rate, and what changes."""
    if len(time) == 1:
        return time, 30.0, []
    steps = np.diff(time)
    if not (steps > 0).all():
        raise errors.BadInput(f"{path}: two frames have the same time")
    step = (time[-1] - time[0]) / (len(time) - 1)
    even = time[0] + step * np.arange(len(time))
    if np.abs(time - even).max() > _EVEN * step:
        step = float(np.median(steps))
        count = round((time[-1] - time[0]) / step) + 1
        if count > _MAX_GROWTH * len(time):
            raise errors.BadInput(
                f"{path}: BVH has one frame rate, but the frames are {steps.min():.3g} "
                f"to {steps.max():.3g} s apart: cut the poses at the gaps"
            )
        even = time[0] + step * np.arange(count)
        note = [f"frames resampled to even steps of {1000 * step:.1f} ms"]
    else:
        note = []
    if step > _MAX_STEP:
        raise errors.BadInput(f"{path}: frames are {step:.3g} s apart; BVH needs 1 s")
    return even, 1.0 / step, note


def _filled(
    pose: pose_file.PoseFile, known: np.ndarray, time: np.ndarray
) -> tuple[np.ndarray, int]:
    """Joints at the times, interpolated linearly, and how many were missing."""
    xyz = np.zeros((len(time), *pose.xyz.shape[1:]))
    missing = 0
    for joint in np.flatnonzero(known.any(axis=0)):
        seen = known[:, joint]
        missing += int((~seen).sum())
        for axis in range(3):
            values = pose.xyz[seen, joint, axis].astype(np.float64)
            xyz[:, joint, axis] = np.interp(time, pose.time[seen], values)
    return xyz, missing


def _median_lengths(
    pose: pose_file.PoseFile, known: np.ndarray, parents: tuple[int | None, ...]
) -> np.ndarray:
    """Median distance of each joint from its parent, metres; 0 without one."""
    lengths = np.zeros(len(parents))
    for child, parent in enumerate(parents):
        if parent is None or parent < 0:
            continue
        both = known[:, child] & known[:, parent]
        if both.any():
            apart = pose.xyz[both, child].astype(np.float64) - pose.xyz[both, parent]
            lengths[child] = np.median(np.linalg.norm(apart, axis=-1))
    return lengths


def _depth_first(joint: rig.RigJoint) -> list[rig.RigJoint]:
    below = [each for child in joint.children for each in _depth_first(child)]
    return [joint, *below]


def _hierarchy(joint: rig.RigJoint, depth: int) -> list[str]:
    """Lines of a joint and all below it."""
    outer, inner = "\t" * depth, "\t" * (depth + 1)
    kind = "JOINT" if depth else "ROOT"
    channels = "3 Zrotation Xrotation Yrotation"
    if not depth:
        channels = "6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    lines = [f"{outer}{kind} {joint.name}", outer + "{"]
    lines += [f"{inner}OFFSET {_triple(joint.offset)}", f"{inner}CHANNELS {channels}"]
    for child in joint.children:
        lines += _hierarchy(child, depth + 1)
    if not joint.children:
        size = np.linalg.norm(joint.offset)
        along = joint.offset / size if size > 0 else np.array([0.0, 1.0, 0.0])
        lines += [f"{inner}End Site", inner + "{"]
        lines += [f"{inner}\tOFFSET {_triple(_END * along)}", inner + "}"]
    return [*lines, outer + "}"]


def _triple(metres: np.ndarray) -> str:
    return " ".join(f"{value:.6f}" for value in metres / METRES_PER_UNIT)


def _degrees(rotation: np.ndarray) -> np.ndarray:
    """Angles (z, x, y) of R = Rz Rx Ry, degrees, continuous over time."""
    sine = np.clip(rotation[:, 2, 1], -1.0, 1.0)
    free = np.abs(sine) < 1.0 - 1e-12
    z = np.where(
        free,
        np.arctan2(-rotation[:, 0, 1], rotation[:, 1, 1]),
        np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0]),
    )
    y = np.where(free, np.arctan2(-rotation[:, 2, 0], rotation[:, 2, 2]), 0.0)
    angles = np.unwrap(np.stack([z, np.arcsin(sine), y], axis=-1), axis=0)
    return np.degrees(angles)


def _changes(
    path: pathlib.Path, xyz: np.ndarray, body: skeletons.Skeleton, present: np.ndarray
) -> np.ndarray:
    """Distance of each joint in the file from its position, metres."""
    file = bvh.read(path)
    index = [file.joint_names.index(body.joints[j]) for j in np.flatnonzero(present)]
    written = file.xyz[:, index] * METRES_PER_UNIT * Y_UP
    return np.linalg.norm(written - xyz[:, present], axis=-1)
