"""A prediction, to be looked at: poses in the recording's points and pictures."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import people
from unipose_jax.cli import recorded_pictures, views
from unipose_jax.report.viewer import scene

_PAGE = views.Views()


class Seen(NamedTuple):
    """What the poses of one person in a recording were found from."""

    clouds: Mapping[int, np.ndarray]  # points (n, 3) by frame position; those drawn
    keypoints: people.Keypoints | None = None
    used: np.ndarray | None = None  # bool (frames,), keypoints used; None: all


Found = tuple[pose_file.PoseFile, Seen]


def report_people(
    opened: recording.Recording,
    everyone: Sequence[Found],
    output: pathlib.Path,
    wanted: views.Views = _PAGE,
) -> None:
    """Writes what is to be looked at beside a pose file, with a line for each.

    Args:
        opened: the recording.
        everyone: of each person, the poses of all frames, and what is drawn.
        output: the pose file.
        wanted: a page, a film or a viewer's scene.
    """
    first = everyone[0][0]
    poses = scene.Scene(
        name=opened.path.name,
        people=[
            _person(opened, f"person {number}", pose, seen)
            for number, (pose, seen) in enumerate(everyone, start=1)
        ],
        time=first.time,
        numbers=list(opened.frames),
    )
    wanted.write(
        poses,
        output,
        title=f"Poses in {opened.path.name}",
        opened=opened,
        places=range(len(first)),
        clouds=[seen.clouds for _, seen in everyone],
    )


def _person(
    opened: recording.Recording, name: str, pose: pose_file.PoseFile, seen: Seen
) -> scene.Person:
    xyz = np.where(np.isfinite(pose.xyz), pose.xyz, np.nan)
    return scene.Person(
        name=name,
        skeleton=pose.skeleton,
        poses=[scene.Poses(name="prediction", xyz=xyz, confidence=pose.confidence)],
        quality=pose.quality,
        keypoints=_keypoints(opened, seen),
    )


def _keypoints(opened: recording.Recording, seen: Seen) -> scene.Keypoints | None:
    """Keypoints that were used in some frames; None if none were."""
    if seen.keypoints is None:
        return None
    confidence = seen.keypoints.confidence
    if seen.used is not None:
        confidence = confidence * seen.used[:, None]
    if not confidence.any():
        return None
    in_color = opened.color_camera is not None
    pose = opened.color_from_depth if in_color else None
    return scene.Keypoints(
        uv=seen.keypoints.uv,
        confidence=confidence,
        camera=recorded_pictures.camera_of(opened.keypoint_camera, pose),
    )
