"""OpenPose: one file {people: [{pose_keypoints_2d}]} per frame, BODY_25 or COCO order.

`--keypoint_scale` 0 to 2 gives pixels, 3 positions in [0, 1] and 4 in [-1, 1]; the
bounds are the centres of the corner pixels. The files do not say which; no person is
smaller than two pixels, so the values do. AlphaPose writes this format with
`--format open`. Sources: CMU-Perceptual-Computing-Lab/openpose, doc/02_output.md and
src/openpose/core/keypointScaler.cpp.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipelines.keypoints import joint_orders
from data_pipelines.keypoints.formats import parsed
from unipose_jax import errors

_SLACK = 0.1  # of a bound: interpolated keypoints may lie a little outside


def is_openpose(raw: Any) -> bool:
    """Whether parsed JSON is in this format."""
    return isinstance(raw, dict) and "people" in raw


def parse(contents: Mapping[pathlib.Path, Any]) -> parsed.Parsed:
    """Parses the files of all frames. The last number of a name is the frame number.

    Raises:
        errors.BadInput: names the file that is wrong.
    """
    people: dict[int, list[np.ndarray]] = {}
    choices = [joint_orders.OPENPOSE25, joint_orders.OPENPOSE18]
    for path, raw in contents.items():
        number = parsed.frame_number(path.stem)
        entries = raw.get("people") if isinstance(raw, dict) else None
        if number is None or not isinstance(entries, list):
            raise errors.BadInput(f"{path} is not an OpenPose file of a numbered frame")
        if number in people:
            raise errors.BadInput(f"{path}: frame {number} occurs twice")
        found = people[number] = []
        for entry in entries:
            values = entry.get("pose_keypoints_2d") if isinstance(entry, dict) else None
            person, order = parsed.parse_keypoints(
                values, f"{path}: 'pose_keypoints_2d'", choices
            )
            choices = [order]
            found.append(person)
    unit, notes = _unit([person for found in people.values() for person in found])
    return parsed.Parsed(choices[0], people, unit=unit, notes=notes)


def _unit(people: list[np.ndarray]) -> tuple[str, tuple[str, ...]]:
    """The unit of the coordinates, and a line that says so where it is not pixels."""
    if not people:
        return parsed.PIXELS, ()
    values = np.concatenate(people)
    values = values[(values[:, 2] > 0) & np.isfinite(values).all(axis=1), :2]
    if not values.size or values.max() > 1 + _SLACK or values.min() < -1 - _SLACK:
        return parsed.PIXELS, ()
    if values.min() < -_SLACK:
        return parsed.SIGNED_CORNERS, ("OpenPose keypoints in [-1, 1] were scaled",)
    return parsed.CORNERS, ("OpenPose keypoints in [0, 1] were scaled",)
