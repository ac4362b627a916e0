"""2D keypoints from files of any detector: COCO results, or a folder of OpenPose.

COCO: a list of {image_id, keypoints: 17 x (u, v, confidence), score}, or an annotation
file {annotations, categories} whose category names its joints, for another set of
joints. `image_id` is the frame number. OpenPose: one JSON per frame, BODY_25 or COCO
order. Both give pixels with integer centres, which +0.5 turns into ours.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines import errors, files
from unipose_jax import skeleton as skeletons

_PIXEL_CENTER = 0.5


def _unlinked(name: str, joints: Sequence[str]) -> skeletons.Skeleton:
    """An order of joints without a tree, which is all that a conversion needs."""
    return skeletons.Skeleton(name, tuple(joints), (-1,) * len(joints))


# CMU-Perceptual-Computing-Lab/openpose, doc/02_output.md. Its neck is the middle of
# the shoulders.
_OPENPOSE_COCO = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow"
    " left_wrist right_hip right_knee right_ankle left_hip left_knee left_ankle"
    " right_eye left_eye right_ear left_ear"
).split()
_OPENPOSE_BODY25 = (
    *_OPENPOSE_COCO[:8],
    "pelvis",
    *_OPENPOSE_COCO[8:],
    *"left_big_toe left_small_toe left_heel".split(),
    *"right_big_toe right_small_toe right_heel".split(),
)
OPENPOSE18 = _unlinked("OPENPOSE18", _OPENPOSE_COCO)
OPENPOSE25 = _unlinked("OPENPOSE25", _OPENPOSE_BODY25)


@dataclasses.dataclass(frozen=True, eq=False)
class Detections:
    """All people found in all frames."""

    joints: skeletons.Skeleton  # their order; its tree means nothing
    people: Mapping[int, np.ndarray]  # frame -> float32 (people, joints, 3)
    # u, v in pixels as recorded (lens distortion included), confidence in [0, 1].


def read(path: str | os.PathLike) -> Detections:
    """Reads a COCO file, or a folder of OpenPose files.

    Raises:
        errors.BadInput: one line with the file, the entry and what was expected.
    """
    path = pathlib.Path(path)
    return read_openpose(path) if path.is_dir() else read_coco(path)


def read_coco(path: str | os.PathLike) -> Detections:
    """Reads COCO results (17 joints), or annotations whose category names joints.

    Where the third number of a keypoint is a visibility flag (a 2 occurs in the file),
    labelled but occluded (1) counts as confidence 0.5.

    Raises:
        errors.BadInput: no such list, or an entry with another number of joints.
    """
    raw = files.read_json(path)
    joints: skeletons.Skeleton = skeletons.COCO17
    if isinstance(raw, dict):
        joints = _named_joints(raw, path)
        raw = raw.get("annotations")
    if not isinstance(raw, list):
        raise errors.BadInput(f"{path} is no list of COCO keypoint results")
    people: dict[int, list[np.ndarray]] = {}
    for number, entry in enumerate(raw):
        where = f"{path}: entry {number}"
        if not isinstance(entry, dict) or type(entry.get("image_id")) is not int:
            raise errors.BadInput(f"{where} has no integer 'image_id'")
        person = _triples(entry.get("keypoints"), f"{where}: 'keypoints'", [joints])[0]
        people.setdefault(entry["image_id"], []).append(person)
    stacked = {frame: np.stack(found) for frame, found in people.items()}
    if any((found[..., 2] == 2).any() for found in stacked.values()):
        for found in stacked.values():
            found[..., 2] /= 2
    return Detections(joints, {k: _cleaned(v) for k, v in stacked.items()})


def read_openpose(folder: str | os.PathLike) -> Detections:
    """Reads a folder of OpenPose files; a name's last number is its frame.

    Raises:
        errors.BadInput: no files, no number, or another number of joints.
    """
    folder = pathlib.Path(folder)
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise errors.BadInput(f"{folder} has no OpenPose files (*_keypoints.json)")
    people, order = {}, None
    for path in paths:
        number = re.findall(r"\d+", path.stem)
        raw = files.read_json(path)
        if not number or not isinstance(raw, dict) or "people" not in raw:
            raise errors.BadInput(f"{path} is no OpenPose file of a numbered frame")
        choices = [OPENPOSE25, OPENPOSE18] if order is None else [order]
        found = []
        for entry in raw["people"]:
            values = entry.get("pose_keypoints_2d") if isinstance(entry, dict) else None
            person, order = _triples(values, f"{path}: 'pose_keypoints_2d'", choices)
            choices = [order]
            found.append(person)
        if found:
            people[int(number[-1])] = _cleaned(np.stack(found))
    return Detections(order or OPENPOSE25, people)


def to_coco(
    uv: np.ndarray,
    confidence: np.ndarray,
    skeleton: str,
    frames: Sequence[int] | None = None,
) -> Any:
    """The content of a keypoints.json, which `read_coco` reads back.

    Args:
        uv: (frames, joints, 2), pixels as recorded; ignored where `confidence` is 0.
        confidence: (frames, joints), in [0, 1].
        skeleton: name of their skeleton.
        frames: frame numbers, 0, 1, ... by default.
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


def follow_person(
    found: Detections, frames: Sequence[int], near: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses one person through all frames: sure, large and without jumps.

    The best path (Viterbi) under: for each frame, mean confidence times size (as a
    share of the largest in the file), less three times the distance to `near` in body
    sizes; for each step, less the median joint displacement in body sizes. Distances
    count up to 1.

    Args:
        found: of the whole file.
        frames: frame numbers wanted, ascending.
        near: (frames, 2), pixels where the person is known to be, NaN where not.

    Returns:
        float32 (frames, joints, 2), pixels as recorded, NaN without a keypoint, and
        float32 (frames, joints), confidence, 0 there.
    """
    joints = found.joints.num_joints
    chosen = np.full((len(frames), joints, 3), np.nan, np.float32)
    chosen[..., 2] = 0.0
    present = [i for i, f in enumerate(frames) if len(found.people.get(f, ()))]
    people = [found.people[frames[i]] for i in present]
    for place, person in zip(present, _best_path(people, present, near), strict=True):
        chosen[place] = person
    return chosen[..., :2], chosen[..., 2]


def in_skeleton(
    uv: np.ndarray, confidence: np.ndarray, source: skeletons.Skeleton, target: str
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints in another skeleton, by joint meaning, midpoints derived.

    A derived joint has the mean confidence of those it comes from, and none if one of
    them is missing.

    Args:
        uv: (frames, joints, 2), pixels.
        confidence: (frames, joints); 0 where there is no keypoint.
        source: their order.
        target: name of the skeleton wanted.

    Returns:
        As `follow_person`, with the joints of `target`.
    """
    values = np.concatenate([uv, confidence[..., None]], axis=-1)
    values = np.where(confidence[..., None] > 0, values, np.nan).astype(np.float32)
    values = np.asarray(skeletons.convert(values, source, target, derive=True)[0])
    return values[..., :2], np.nan_to_num(values[..., 2], nan=0.0)


def _named_joints(raw: Mapping[str, Any], path: Any) -> skeletons.Skeleton:
    """The joints that the first category of an annotation file names."""
    for category in raw.get("categories") or ():
        names = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            try:
                return _unlinked("keypoints of the file", names)
            except ValueError as error:
                raise errors.BadInput(f"{path}: {error}") from error
    raise errors.BadInput(f"{path}: no category names its 'keypoints'")


def _triples(
    values: Any, where: str, choices: Sequence[skeletons.Skeleton]
) -> tuple[np.ndarray, skeletons.Skeleton]:
    """(u, v, confidence) of each joint, and which of `choices` has as many."""
    try:
        flat = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        flat = np.zeros((), np.float64)
    for skeleton in choices:
        if flat.shape == (3 * skeleton.num_joints,):
            return flat.reshape(-1, 3), skeleton
    wanted = " or ".join(f"{s.num_joints} joints ({s.name})" for s in choices)
    count = f"{flat.size / 3:g} joints" if flat.ndim == 1 else "no list of numbers"
    raise errors.BadInput(f"{where} has {count}, expected {wanted} as u, v, confidence")


def _cleaned(people: np.ndarray) -> np.ndarray:
    """Our pixel centres, confidence in [0, 1], and 0 for what is not finite."""
    known = np.isfinite(people).all(-1, keepdims=True) & (people[..., 2:] > 0)
    uv = np.where(known, people[..., :2] + _PIXEL_CENTER, np.nan)
    confidence = np.where(known, np.minimum(people[..., 2:], 1.0), 0.0)
    return np.concatenate([uv, confidence], axis=-1).astype(np.float32)


def _best_path(
    people: Sequence[np.ndarray], places: Sequence[int], near: np.ndarray | None
) -> list[np.ndarray]:
    """One person of each frame, see `follow_person`."""
    sizes = [_size(found) for found in people]
    largest = max((float(size.max()) for size in sizes), default=1.0)
    value = np.zeros(0)
    back: list[np.ndarray] = []
    for t, found in enumerate(people):
        gain = found[..., 2].mean(axis=1) * (0.5 + 0.5 * sizes[t] / largest)
        if near is not None:
            away = np.linalg.norm(_middle(found) - near[places[t]], axis=-1) / sizes[t]
            gain = gain - 3 * np.minimum(np.nan_to_num(away, nan=0.0), 1.0)
        if t:
            step = found[:, None, :, :2] - people[t - 1][None, :, :, :2]
            away = _nanmedian(np.linalg.norm(step, axis=-1)) / sizes[t][:, None]
            total = value - np.minimum(np.nan_to_num(away, nan=1.0), 1.0)
            back.append(total.argmax(axis=1))
            gain = gain + total.max(axis=1)
        value = gain
    if not len(value):
        return []
    path = [int(value.argmax())]
    for choice in reversed(back):
        path.append(int(choice[path[-1]]))
    return [found[i] for found, i in zip(people, reversed(path), strict=True)]


def _size(people: np.ndarray) -> np.ndarray:
    """Diagonal of the box around each person's keypoints, pixels, at least 1."""
    uv = people[..., :2]
    known = np.isfinite(uv)
    high = np.where(known, uv, -np.inf).max(axis=1)
    low = np.where(known, uv, np.inf).min(axis=1)
    diagonal = np.hypot(*np.nan_to_num(high - low, neginf=0.0).T)
    return np.maximum(diagonal, 1.0)


def _middle(people: np.ndarray) -> np.ndarray:
    return _nanmedian(np.swapaxes(people[..., :2], -1, -2))


def _nanmedian(values: np.ndarray) -> np.ndarray:
    """Median over the last axis of what is finite; NaN where nothing is."""
    count = np.isfinite(values).sum(axis=-1, keepdims=True)
    ordered = np.sort(np.where(np.isfinite(values), values, np.inf), axis=-1)
    middle = np.maximum(count - 1, 0) // 2
    median = np.take_along_axis(ordered, middle, axis=-1)
    return np.where(count > 0, median, np.nan)[..., 0]
