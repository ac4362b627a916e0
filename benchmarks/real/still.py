"""Columns of people at rest: a joint must stay where it is in the world frame.

- turning person: a Kinect moves around a person who stands still (50 frames).
- cello: ten Kinects record one moment (CMU Panoptic); joints were marked by eye in the
  colour pictures of three of them.
"""

import functools
import pathlib
from collections.abc import Sequence

import numpy as np

from benchmarks.real import (
    cases,
    columns,
    itop,
    recordings,
    sample_recordings,
    scores,
    table,
)
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import sequence
from unipose_jax import errors

STILL = ("head", "neck", "right_shoulder", "left_shoulder")
TRUNK = ("head", "neck", "torso")
VIEWS, MARKED = 10, (0, 2, 4)
_MARKS = "marks.json"


def load_turning(options: columns.Options) -> list[cases.Case]:
    """A person who stands still while the camera moves."""
    source = options.data / "turning_person"
    if not source.is_dir():
        raise errors.BadInput(f"no {source}")

    def make(target: pathlib.Path) -> None:
        sample_recordings.turning_person(source, target)
        recordings.detect(target, options.data)

    opened = recordings.cached(options.cache / "turning_person", make)
    return [cases.Case(opened, options.masks)]


def score_turning(
    some: Sequence[cases.Case], poses: Sequence[np.ndarray], options: columns.Options
) -> table.Cell:
    """Scatter of the joints of the upper body in the world frame."""
    del options
    spread = scores.scatter_mm(in_world(some[0].recorded, poses[0]))
    shown = [columns.number(spread[columns.joint(name)]) for name in STILL]
    values = {"scatter_mm": columns.by_joint(spread)}
    return table.Cell(", ".join(shown), values, columns.frames_found(poses))


def load_cello(options: columns.Options) -> list[cases.Case]:
    """Ten views of one moment."""
    source = options.data / "panoptic" / "171026_cello3"
    if not source.is_dir():
        raise errors.BadInput(f"no {source}")

    def make(target: pathlib.Path) -> None:
        sample_recordings.panoptic(source, target)
        for view in range(VIEWS):
            folder = target / f"panoptic_{view}"
            if view in MARKED:
                (folder / "keypoints.json").rename(folder / _MARKS)
            recordings.detect(folder, options.data)

    folder = options.cache / "cello"
    recordings.fill(folder, make)
    return [
        cases.Case(recording.open_recording(folder / f"panoptic_{view}"), options.masks)
        for view in range(VIEWS)
    ]


def score_cello(
    some: Sequence[cases.Case], poses: Sequence[np.ndarray], options: columns.Options
) -> table.Cell:
    """Scatter over the views, and distance to the marks across the line of sight."""
    del options
    world = [
        in_world(case.recorded, xyz) for case, xyz in zip(some, poses, strict=True)
    ]
    spread = scores.scatter_mm(np.concatenate(world))
    away = np.stack([to_marks_mm(some[v].recorded, poses[v][0]) for v in MARKED])
    trunk = np.array([columns.joint(name) for name in TRUNK])
    limbs = np.setdiff1d(np.arange(len(spread)), trunk)
    values = {
        "scatter_trunk_mm": columns.mean(spread[trunk]),
        "scatter_limbs_mm": columns.mean(spread[limbs]),
        "to_marks_trunk_mm": columns.mean(away[:, trunk]),
        "to_marks_limbs_mm": columns.mean(away[:, limbs]),
        "to_marks_within_10cm": columns.mean(
            np.where(np.isfinite(away), 100.0 * (away < 1e3 * scores.THRESHOLD), np.nan)
        ),
        "marks": int(np.isfinite(away).sum()),
        "scatter_mm": columns.by_joint(spread),
    }
    text = (
        f"{columns.number(values['scatter_trunk_mm'])}, "
        f"{columns.number(values['scatter_limbs_mm'])}; "
        f"{columns.number(values['to_marks_trunk_mm'])}, "
        f"{columns.number(values['to_marks_limbs_mm'])}"
    )
    return table.Cell(text, values, columns.frames_found(poses))


def to_marks_mm(view: sequence.Sequence, xyz: np.ndarray) -> np.ndarray:
    """Distance of joints to the marks in the colour picture of a view: (15,), mm.

    Args:
        view: a recording with marks.
        xyz: (15, 3), metres, depth-camera frame.
    """
    uv, known = _marks(view)
    moved = xyz @ view.color_from_depth[:3, :3].T + view.color_from_depth[:3, 3]
    return scores.lateral_mm(moved, uv, view.keypoint_camera.intrinsics, known)


def in_world(source: sequence.Sequence, xyz: np.ndarray) -> np.ndarray:
    """Joints (frames, joints, 3) in the world frame, metres.

    Raises:
        errors.BadInput: the place of the camera is not known.
    """
    pose = source.world_from_depth
    if pose is None:
        raise errors.BadInput(f"{source.name} has no world_from_depth in camera.json")
    turned = np.einsum("tij,tnj->tni", pose[:, :3, :3], xyz)
    return turned + pose[:, None, :3, 3]


@functools.lru_cache(maxsize=VIEWS)
def _marks(view: recording.Recording) -> tuple[np.ndarray, np.ndarray]:
    """Marks in the order of ITOP15: (15, 2), undistorted pixels; where there is one."""
    found = view.read_detections(view.path / _MARKS)
    uv, confidence = detections.track_person(found, view.frames)
    uv, confidence = detections.convert_keypoints(
        uv, confidence, found.joints, itop.SKELETON
    )
    return view.keypoint_camera.undistort(uv)[0], confidence[0] > 0


TURNING = columns.Column(
    "turning",
    "turning person: scatter [mm] of head, neck, right, left shoulder",
    load_turning,
    score_turning,
)
CELLO = columns.Column(
    "cello",
    "cello, ten views: scatter [mm] of trunk, limbs; to marks in views 0, 2, 4 [mm]",
    load_cello,
    score_cello,
)
