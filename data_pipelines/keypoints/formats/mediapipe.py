"""MediaPipe Pose: 33 landmarks {x, y, z, visibility} as shares of the picture.

A list with one entry per frame, {frame, timestamp_ms, pose_landmarks}, as people write
the result of `PoseLandmarker`: `pose_landmarks` is a list of 33 landmarks, or one such
list per person. Also one file per frame. A landmark is a dict or [x, y, z, visibility].

Source: google-ai-edge/mediapipe, mediapipe/tasks/python/components/containers/
landmark.py; ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipelines.keypoints import joint_orders
from data_pipelines.keypoints.formats import parsed
from unipose_jax import errors

_LANDMARKS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark")
_FRAME = ("frame", "frame_id", "frame_index", "frame_number", "frameIndex", "image_id")
_NAME = ("file_name", "filename", "image", "file", "path")
_SECONDS = {"timestamp_ms": 1e-3, "timestampMs": 1e-3, "timestamp_us": 1e-6}
_LISTS = ("frames", "results", "poses")  # keys under which people put the list


def is_mediapipe(raw: Any) -> bool:
    """Whether parsed JSON is in this format."""
    dicts = (entry for entry in _entries(raw) if isinstance(entry, dict))
    return any(key in entry for entry in dicts for key in _LANDMARKS)


def parse(contents: Mapping[pathlib.Path, Any], folder: bool) -> parsed.Parsed:
    """Parses one file of all frames, or the files of all frames.

    Raises:
        errors.BadInput: names the frame that is wrong.
    """
    people: dict[int, list[np.ndarray]] = {}
    time: dict[int, float] = {}
    notes: list[str] = []
    for path, raw in contents.items():
        for number, entry in enumerate(_entries(raw)):
            where = f"{path}: entry {number}"
            frame = _frame(entry, path, folder, where)
            if frame is None:
                frame = number
                seconds = _seconds(entry)
                if seconds is not None:
                    time[frame] = seconds
                notes = ["frames are counted from 0 in the order of the file"]
            if frame in people:
                raise errors.BadInput(f"{where}: frame {frame} occurs twice")
            people[frame] = _people(entry, where)
    timed = bool(time) and len(time) == len(people)
    return parsed.Parsed(
        joint_orders.MEDIAPIPE33,
        people,
        unit=parsed.SHARES,
        time=time if timed else None,
        notes=() if timed else tuple(notes),
    )


def _entries(raw: Any) -> list:
    if isinstance(raw, dict):
        for key in _LISTS:
            if isinstance(raw.get(key), list):
                return raw[key]
        return [raw]
    return raw if isinstance(raw, list) else []


def _landmarks(entry: Any) -> Any:
    """The landmarks of an entry; None where it has none of the known keys."""
    if not isinstance(entry, dict):
        return None
    return next((entry[key] for key in _LANDMARKS if key in entry), None)


def _frame(entry: Any, path: pathlib.Path, folder: bool, where: str) -> int | None:
    """The frame number that an entry or, in a folder, its file gives."""
    if isinstance(entry, dict):
        for key in _FRAME:
            if type(entry.get(key)) is int:
                return entry[key]
        for key in (*_NAME, "image_id"):
            if isinstance(entry.get(key), str):
                return parsed.required_number(entry[key], where)
    return parsed.required_number(path.name, path) if folder else None


def _seconds(entry: Any) -> float | None:
    for key, unit in _SECONDS.items():
        value = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(value, int | float) and np.isfinite(value):
            return value * unit
    return None


def _people(entry: Any, where: str) -> list[np.ndarray]:
    """(33, 3) of each person of a frame: shares of width and height, visibility."""
    found = _landmarks(entry)
    if not found:
        return []
    if isinstance(found, dict):
        found = found.get("landmark")
    one = isinstance(found, list) and _is_point(found[0] if found else None)
    people = [found] if one else found
    if not isinstance(people, list):
        raise errors.BadInput(f"{where}: the landmarks are no list")
    return [_person(person, where) for person in people]


def _is_point(value: Any) -> bool:
    if isinstance(value, dict):
        return "x" in value
    return isinstance(value, list) and all(isinstance(v, int | float) for v in value)


def _person(points: Any, where: str) -> np.ndarray:
    if isinstance(points, dict):
        points = points.get("landmark")
    count = joint_orders.MEDIAPIPE33.num_joints
    try:
        rows = [
            (p["x"], p["y"], p.get("visibility", p.get("v", 1.0)))
            if isinstance(p, dict)
            else (p[0], p[1], p[3] if len(p) > 3 else 1.0)
            for p in points
        ]
        values = np.asarray(rows, np.float64)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise errors.BadInput(
            f"{where}: a landmark has no x, y and visibility"
        ) from error
    if values.shape != (count, 3):
        raise errors.BadInput(
            f"{where} has {len(values)} landmarks, expected {count} of MediaPipe Pose"
        )
    values[(values[:, :2] == 0).all(axis=1), 2] = 0.0  # not found
    return values
