"""2D keypoints of all people, read from files of detectors and annotation tools.

`formats.reading` recognises the format, `picture` converts to pixels and checks that
keypoints belong to the picture, `frame_matching` finds the depth frame of each.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines.keypoints import frame_matching, person_tracking
from data_pipelines.keypoints import picture as pictures
from data_pipelines.keypoints.formats import reading
from unipose_jax import skeleton as skeletons

_PIXEL_CENTER = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Detections:
    """Detections of all people in all frames."""

    joints: skeletons.Skeleton  # joint order; its tree is not used
    by_frame: Mapping[int, np.ndarray]  # frame -> float32 (people, joints, 3)
    # u, v in pixels as recorded (lens distortion included), confidence in [0, 1].
    time: Mapping[int, float] | None = None  # seconds, if a file gives no frame numbers
    notes: tuple[str, ...] = ()  # lines for the user: what was assumed or is doubtful


def read(
    path: str | os.PathLike, picture: pictures.Picture | None = None
) -> Detections:
    """Reads a keypoint file, or a folder with one file for each frame.

    Args:
        path: file or folder in one of the formats of docs/keypoints.md.
        picture: picture of the camera. None reads only pixels and checks nothing.

    Raises:
        errors.BadInput: a file cannot be read, has no known format, or its keypoints
            do not belong to the picture.
    """
    path = pathlib.Path(path)
    found = reading.parse(path)
    people, notes = pictures.fit(found, picture, str(path))
    return Detections(found.joints, people, found.time, notes)


def match_frames(
    found: Detections,
    frames: Sequence[int],
    time: np.ndarray,
    rule: frame_matching.FrameRule,
) -> Detections:
    """Returns the detections under the numbers of the depth frames they belong to.

    Args:
        found: detections under their own frame numbers.
        frames: numbers of the depth frames, ascending.
        time: seconds of the depth frames since the first.
        rule: how the keypoint frames are numbered.
    """
    assigned = frame_matching.assign(
        frames, time, list(found.by_frame), rule, found_time=found.time
    )
    line = frame_matching.describe(frames, time, list(found.by_frame), assigned, rule)
    return dataclasses.replace(
        found,
        by_frame={depth: found.by_frame[own] for depth, own in assigned.items()},
        notes=(*found.notes, *([line] if line else [])),
    )


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
