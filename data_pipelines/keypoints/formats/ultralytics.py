"""Ultralytics YOLO pose: text files (`save_txt`) and JSON (`Results.to_json`).

- Text: one file per frame, one line per person: class, box (4), then x, y[, confidence]
  of each joint as shares of the picture, then the confidence of the person and its
  track, if asked for. A file is named by its picture, or by the video and the frame
  from 1 (`clip_12.txt`). Frames without people have no file.
- JSON: a list of {name, box, keypoints: {x, y, visible}} for each frame, in pixels, or
  as shares after `to_json(normalize=True)`, as the box then is.

Joints are those of COCO17, as in the released networks; (0, 0) is a joint that was not
found. Sources: docs.ultralytics.com/reference/engine/results (save_txt, summary) and
reference/engine/predictor.
"""

import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipelines.keypoints.formats import parsed
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

_BOX = 5  # class, x, y, width, height
_SHARE_BOUND = 1.5  # a box of shares ends here, clipped or not


def is_ultralytics(raw: Any) -> bool:
    """Whether parsed JSON is in this format; False for lists without people."""
    return any(_is_person(entry) for entry in _flat(raw))


def parse_json(contents: Mapping[pathlib.Path, Any], folder: bool) -> parsed.Parsed:
    """Parses one list per frame: one file each, or all in one file.

    Raises:
        errors.BadInput: names the entry that is wrong.
    """
    people: dict[int, list[np.ndarray]] = {}
    unit = parsed.PIXELS
    notes: tuple[str, ...] = ()
    for path, raw in contents.items():
        if folder:
            frames = [(parsed.required_number(path.name, path), raw)]
        elif isinstance(raw, list) and all(isinstance(frame, list) for frame in raw):
            frames = list(enumerate(raw))
            notes = ("frames are counted from 0 in the order of the file",)
        else:
            frames = [(parsed.required_number(path.name, path), raw)]
        for frame, entries in frames:
            if frame in people:
                raise errors.BadInput(f"{path}: frame {frame} occurs twice")
            if not isinstance(entries, list):
                raise errors.BadInput(f"{path}: frame {frame} is no list of people")
            where = f"{path}: frame {frame}"
            people[frame] = [_person(e, where) for e in entries if not _is_thing(e)]
            if any(_has_shares(entry) for entry in entries):
                unit = parsed.SHARES
    return parsed.Parsed(skeletons.COCO17, people, unit=unit, notes=notes)


def parse_text(paths: list[pathlib.Path]) -> parsed.Parsed:
    """Parses the text files of a folder.

    Raises:
        errors.BadInput: names the line that is wrong.
    """
    people: dict[int, list[np.ndarray]] = {}
    for path in paths:
        frame = parsed.required_number(path.name, path)
        if frame in people:
            raise errors.BadInput(f"{path}: frame {frame} occurs twice")
        try:
            lines = path.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise errors.BadInput(f"cannot read {path}: {error}") from error
        people[frame] = [
            _from_line(line, f"{path}: line {number}")
            for number, line in enumerate(lines, 1)
            if line.strip()
        ]
    notes: tuple[str, ...] = ()
    if people and min(people) > 0 and all(_is_of_video(path) for path in paths):
        people = {frame - 1: found for frame, found in people.items()}
        notes = ("the files count the frames of a video from 1, so 1 was subtracted",)
    return parsed.Parsed(skeletons.COCO17, people, unit=parsed.SHARES, notes=notes)


def _is_of_video(path: pathlib.Path) -> bool:
    """Whether a name is that of a video with a frame number, not that of a picture."""
    return bool(re.fullmatch(r".*\D_(0|[1-9]\d*)", path.stem))


def _from_line(line: str, where: str) -> np.ndarray:
    """(17, 3) of a person in a line of numbers."""
    try:
        numbers = np.array([float(word) for word in line.split()])
    except ValueError as error:
        raise errors.BadInput(f"{where} is not made of numbers") from error
    joints = skeletons.COCO17.num_joints
    for width in (3, 2):
        extra = len(numbers) - _BOX - width * joints
        if extra in (0, 1, 2):  # confidence of the person, track
            values = numbers[_BOX : _BOX + width * joints].reshape(joints, width)
            return _with_confidence(values)
    raise errors.BadInput(
        f"{where} has {len(numbers)} numbers, expected a class, a box and {joints} "
        "joints (x, y, confidence) of an Ultralytics pose network"
    )


def _with_confidence(values: np.ndarray) -> np.ndarray:
    """Adds confidence 1 where there is none, and 0 to joints at (0, 0)."""
    if values.shape[1] == 2:
        values = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    lost = (values[:, :2] == 0).all(axis=1)
    return np.where(lost[:, None] & np.array([False, False, True]), 0.0, values)


def _flat(raw: Any) -> list:
    """Entries of a list, or of a list of lists."""
    if not isinstance(raw, list):
        return []
    return [e for part in raw for e in (part if isinstance(part, list) else [part])]


def _is_person(entry: Any) -> bool:
    points = entry.get("keypoints") if isinstance(entry, dict) else None
    return isinstance(points, dict) and {"x", "y"} <= {*points}


def _is_thing(entry: Any) -> bool:
    """Whether an entry is a box without keypoints."""
    return isinstance(entry, dict) and "box" in entry and "keypoints" not in entry


def _has_shares(entry: Any) -> bool:
    box = entry.get("box") if isinstance(entry, dict) else None
    if not isinstance(box, dict) or not box:
        return False
    sides = [side for side in box.values() if isinstance(side, int | float)]
    return bool(sides) and max(map(abs, sides)) <= _SHARE_BOUND


def _person(entry: Any, where: str) -> np.ndarray:
    try:
        points = entry["keypoints"]
        columns = [np.asarray(points[key], np.float64) for key in ("x", "y")]
        columns.append(np.asarray(points.get("visible", np.ones_like(columns[0]))))
        values = np.stack(columns, axis=1).astype(np.float64)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.BadInput(f"{where}: a person has no keypoints x and y") from error
    if values.shape != (skeletons.COCO17.num_joints, 3):
        raise errors.BadInput(
            f"{where} has {len(values)} joints, expected 17 joints (COCO17)"
        )
    return _with_confidence(values)
