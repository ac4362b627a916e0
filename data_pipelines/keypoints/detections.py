"""2D keypoints from detector files: COCO results, OpenPose or MMPose.

COCO: a list of {image_id, keypoints: 17 x (u, v, confidence), score}; or, for other
joint sets, an annotation file {annotations, categories} whose category names the
joints. `image_id` is the frame number. OpenPose: one JSON file per frame, BODY_25 or
COCO order. MMPose: see `mmpose`. All formats have pixel centres at integers; 0.5 is
added on reading.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines.ground import file_io
from data_pipelines.keypoints import joint_orders, mmpose, person_tracking
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

_PIXEL_CENTER = 0.5
_MAX_UV = 1e5  # pixels, largest distance of a keypoint from the image corner


@dataclasses.dataclass(frozen=True, eq=False)
class Detections:
    """Detections of all people in all frames."""

    joints: skeletons.Skeleton  # joint order; its tree is not used
    by_frame: Mapping[int, np.ndarray]  # frame -> float32 (people, joints, 3)
    # u, v in pixels as recorded (lens distortion included), confidence in [0, 1].


def read(path: str | os.PathLike) -> Detections:
    """Reads a COCO or MMPose file, or a folder of OpenPose or MMPose files.

    Raises:
        errors.BadInput: a file cannot be read or has another format.
    """
    path = pathlib.Path(path)
    paths = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not paths:
        raise errors.BadInput(f"{path} has no OpenPose or MMPose files (*.json)")
    contents = {file: file_io.read_json(file) for file in paths}
    first = contents[paths[0]]
    # In a folder, an empty list is an MMPose file of an image without people.
    if mmpose.is_mmpose(first) or (path.is_dir() and isinstance(first, list)):
        return _from_mmpose(contents)
    return _from_openpose(contents) if path.is_dir() else _from_coco(first, path)


def to_coco(
    uv: np.ndarray,
    confidence: np.ndarray,
    skeleton: str,
    frames: Sequence[int] | None = None,
) -> Any:
    """Returns the content of a keypoints.json, which `read` can read.

    Args:
        uv: (frames, joints, 2), pixels as recorded; ignored where `confidence` is 0.
        confidence: (frames, joints), in [0, 1].
        skeleton: name of the skeleton of the keypoints.
        frames: frame numbers; 0, 1, ... by default.
    """
    known = confidence > 0
    values = np.concatenate([uv - _PIXEL_CENTER, confidence[..., None]], axis=-1)
    values = np.where(known[..., None], values, 0.0).round(4)
    results = [
        {
            "image_id": int(frame),
            "category_id": 1,
            "keypoints": person.ravel().tolist(),
            "score": round(float(person[:, 2].mean()), 4),
        }
        for frame, person in zip(
            range(len(values)) if frames is None else frames, values, strict=True
        )
    ]
    if skeleton == "COCO17":
        return results
    names = list(skeletons.by_name(skeleton).joints)
    categories = [{"id": 1, "name": "person", "keypoints": names}]
    return {"categories": categories, "annotations": results}


def track_person(
    found: Detections, frames: Sequence[int], person_uv: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Tracks one person: high confidence, large in the image, no jumps.

    The optimal path (Viterbi) of a score. Each frame adds the mean confidence times the
    size (relative to the largest in the file), minus three times the distance to
    `person_uv` in body sizes. Each step subtracts the median joint displacement in body
    sizes. Distances are clipped to 1.

    Args:
        found: detections of the whole file.
        frames: frame numbers to return, ascending.
        person_uv: (frames, 2), pixels, known position of the person, NaN where unknown.

    Returns:
        float32 (frames, joints, 2), pixels as recorded, NaN where there is no keypoint,
        and float32 (frames, joints), confidence, 0 where there is none.
    """
    joints = found.joints.num_joints
    chosen = np.full((len(frames), joints, 3), np.nan, np.float32)
    chosen[..., 2] = 0.0
    present = [i for i, f in enumerate(frames) if len(found.by_frame.get(f, ()))]
    people = [found.by_frame[frames[i]] for i in present]
    for place, person in zip(
        present, person_tracking.viterbi(people, present, person_uv), strict=True
    ):
        chosen[place] = person
    return chosen[..., :2], chosen[..., 2]


def convert_keypoints(
    uv: np.ndarray, confidence: np.ndarray, source: skeletons.Skeleton, target: str
) -> tuple[np.ndarray, np.ndarray]:
    """Converts keypoints to another skeleton by joint name; computes midpoints.

    A midpoint has the mean confidence of its joints, and confidence 0 if one of them is
    missing.

    Args:
        uv: (frames, joints, 2), pixels.
        confidence: (frames, joints); 0 where there is no keypoint.
        source: joint order of the keypoints.
        target: name of the target skeleton.

    Returns:
        The same arrays as `track_person`, with the joints of `target`.
    """
    values = np.concatenate([uv, confidence[..., None]], axis=-1)
    values = np.where(confidence[..., None] > 0, values, np.nan).astype(np.float32)
    values = np.asarray(skeletons.convert(values, source, target, derive=True)[0])
    return values[..., :2], np.nan_to_num(values[..., 2], nan=0.0)


def _from_coco(raw: Any, path: pathlib.Path) -> Detections:
    """Parses COCO results (17 joints) or annotations whose category names joints.

    If the third number of a keypoint is a visibility flag (a 2 occurs in the file), 1
    (labelled, occluded) becomes confidence 0.5.
    """
    joints: skeletons.Skeleton = skeletons.COCO17
    if isinstance(raw, dict):
        joints = _named_joints(raw, path)
        raw = raw.get("annotations")
    if not isinstance(raw, list):
        raise errors.BadInput(f"{path} is not a list of COCO keypoint results")
    people: dict[int, list[np.ndarray]] = {}
    for number, entry in enumerate(raw):
        where = f"{path}: entry {number}"
        if not isinstance(entry, dict) or type(entry.get("image_id")) is not int:
            raise errors.BadInput(f"{where} has no integer 'image_id'")
        person = _parse_keypoints(
            entry.get("keypoints"), f"{where}: 'keypoints'", [joints]
        )[0]
        people.setdefault(entry["image_id"], []).append(person)
    stacked = {frame: np.stack(found) for frame, found in people.items()}
    if any((found[..., 2] == 2).any() for found in stacked.values()):
        for found in stacked.values():
            found[..., 2] /= 2
    return Detections(joints, {k: _clean(v) for k, v in stacked.items()})


def _from_openpose(contents: Mapping[pathlib.Path, Any]) -> Detections:
    """Parses OpenPose files. The last number in a file name is the frame number."""
    people = {}
    choices = [joint_orders.OPENPOSE25, joint_orders.OPENPOSE18]
    for path, raw in contents.items():
        number = re.findall(r"\d+", path.stem)
        entries = raw.get("people") if isinstance(raw, dict) else None
        if not number or not isinstance(entries, list):
            raise errors.BadInput(f"{path} is not an OpenPose file of a numbered frame")
        found = []
        for entry in entries:
            values = entry.get("pose_keypoints_2d") if isinstance(entry, dict) else None
            person, order = _parse_keypoints(
                values, f"{path}: 'pose_keypoints_2d'", choices
            )
            choices = [order]
            found.append(person)
        if found:
            people[int(number[-1])] = _clean(np.stack(found))
    return Detections(choices[0], people)


def _from_mmpose(contents: Mapping[pathlib.Path, Any]) -> Detections:
    """Parses MMPose files: one for a video, or one for each image."""
    people: dict[int, np.ndarray] = {}
    order = None
    for path, raw in contents.items():
        choices = mmpose.joint_choices(raw, path) if order is None else [order]
        for frame, instances in mmpose.frames(raw, path):
            where, found = f"{path}: frame {frame}: 'keypoints'", []
            for instance in instances:
                values = mmpose.triples(instance)
                person, order = _parse_keypoints(values, where, choices)
                choices = [order]
                found.append(person)
            if frame in people:
                raise errors.BadInput(f"{path}: frame {frame} occurs twice")
            if found:
                people[frame] = _clean(np.stack(found))
    return Detections(order or skeletons.COCO17, people)


def _named_joints(raw: Mapping[str, Any], path: Any) -> skeletons.Skeleton:
    """Joint order of the first category of an annotation file that names joints."""
    listed = raw.get("categories")
    for category in listed if isinstance(listed, list) else ():
        names = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            try:
                return joint_orders.joint_order("keypoints of the file", names)
            except ValueError as error:
                raise errors.BadInput(f"{path}: {error}") from error
    raise errors.BadInput(f"{path}: no category names its 'keypoints'")


def _parse_keypoints(
    values: Any, where: str, choices: Sequence[skeletons.Skeleton]
) -> tuple[np.ndarray, skeletons.Skeleton]:
    """Parses (u, v, confidence) of each joint; finds the order by their number."""
    try:
        flat = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        flat = np.zeros((), np.float64)
    for skeleton in choices:
        if flat.shape == (3 * skeleton.num_joints,):
            return flat.reshape(-1, 3), skeleton
    wanted = " or ".join(f"{s.num_joints} joints ({s.name})" for s in choices)
    count = f"{flat.size / 3:g} joints" if flat.ndim == 1 else "no list of numbers"
    raise errors.BadInput(f"{where} has {count}, expected {wanted} as u, v, confidence")


def _clean(people: np.ndarray) -> np.ndarray:
    """Adds 0.5 to pixels, clips confidence to [0, 1], 0 for invalid keypoints."""
    finite = np.isfinite(people).all(-1, keepdims=True)
    far = np.abs(people[..., :2]).max(-1, keepdims=True) > _MAX_UV
    known = finite & ~far & (people[..., 2:] > 0)
    uv = np.where(known, people[..., :2] + _PIXEL_CENTER, np.nan)
    confidence = np.where(known, np.minimum(people[..., 2:], 1.0), 0.0)
    return np.concatenate([uv, confidence], axis=-1).astype(np.float32)
