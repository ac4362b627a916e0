"""Report of a prediction: frames of a recording with the predicted poses."""

import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from unipose_jax import errors
from unipose_jax.report import build
from unipose_jax.report.draw import clip_data


def report_people(
    opened: recording.Recording,
    people: Sequence[tuple[pose_file.PoseFile, Mapping[int, tracks.PersonCloud]]],
    output: pathlib.Path,
) -> pathlib.Path:
    """Writes a report page of some frames into a folder next to the pose file.

    Args:
        opened: the recording.
        people: of each person, the poses of all frames, and the segmented person by
            frame position; these frames are drawn.
        output: the pose file; the folder has its name without the suffix.

    Returns:
        Path of the page.
    """
    name, first = opened.path.name, people[0][0]
    names = [f"{name}, person {n}" for n in range(1, len(people) + 1)]
    return build.write_report(
        output.with_suffix(""),
        title=f"Poses in {name}",
        skeleton=first.skeleton,
        rendered=False,
        subtitle=f"{len(first)} frames",
        clips=[
            _clip(opened, title, pose, clouds)
            for title, (pose, clouds) in zip(
                names if len(people) > 1 else [name], people, strict=True
            )
        ],
    )


def _clip(
    opened: recording.Recording,
    name: str,
    pose: pose_file.PoseFile,
    clouds: Mapping[int, tracks.PersonCloud],
) -> clip_data.Clip:
    """The frames of one person that are drawn."""
    chosen = np.array(sorted(clouds))
    return clip_data.Clip(
        name=name,
        skeleton=pose.skeleton,
        xyz=pose.xyz[chosen],
        confidence=pose.confidence[chosen],
        points=_padded([clouds[index].xyz for index in chosen]),
        time=pose.time[chosen],
        numbers=np.array(opened.frames)[chosen],
        depth=np.stack(
            [opened.depth_camera.undistort_depth(clouds[i].depth) for i in chosen]
        ),
        intrinsics=opened.depth_camera.intrinsics,
        **_colors(opened, chosen),
    )


def _colors(opened: recording.Recording, frames: np.ndarray) -> dict[str, Any]:
    """Colour images of some frames and their camera; empty if one image is missing."""
    try:
        images = [opened.color(int(index)) for index in frames]
    except errors.BadInput as error:
        print(f"pictures have no colour: {error}", file=sys.stderr)
        return {}
    camera = opened.color_camera
    if camera is None:
        return {}
    ideal = [camera.undistort_image(image) for image in images if image is not None]
    if len(ideal) < len(images):
        return {}
    return {
        "color": np.stack(ideal),
        "color_intrinsics": camera.intrinsics,
        "color_from_depth": opened.color_from_depth,
    }


def _padded(parts: list[np.ndarray]) -> np.ndarray:
    """Clouds of different sizes as one array, padded with NaN."""
    padded = np.full((len(parts), max(map(len, parts)), 3), np.nan, np.float32)
    for row, part in zip(padded, parts, strict=True):
        row[: len(part)] = part
    return padded
