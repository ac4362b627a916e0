"""Report of a prediction: frames of a recording with the predicted poses."""

import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import people, tracks
from unipose_jax import errors
from unipose_jax.report import build
from unipose_jax.report.draw import clip_data


class Seen(NamedTuple):
    """What the poses of one person in a recording were found from."""

    clouds: Mapping[int, tracks.PersonCloud]  # by frame position; these are drawn
    keypoints: people.Keypoints | None = None
    used: np.ndarray | None = None  # bool (frames,), keypoints used; None: all


Found = tuple[pose_file.PoseFile, Seen]


def report_people(
    opened: recording.Recording, everyone: Sequence[Found], output: pathlib.Path
) -> pathlib.Path:
    """Writes a report page of some frames into a folder next to the pose file.

    Args:
        opened: the recording.
        everyone: of each person, the poses of all frames, and what is drawn.
        output: the pose file; the folder has its name without the suffix.

    Returns:
        Path of the page.
    """
    name, first = opened.path.name, everyone[0][0]
    names = [f"{name}, person {n}" for n in range(1, len(everyone) + 1)]
    return build.write_report(
        output.with_suffix(""),
        title=f"Poses in {name}",
        skeleton=first.skeleton,
        rendered=False,
        subtitle=f"{len(first)} frames",
        clips=[
            _clip(opened, title, pose, seen)
            for title, (pose, seen) in zip(
                names if len(everyone) > 1 else [name], everyone, strict=True
            )
        ],
    )


def _clip(
    opened: recording.Recording, name: str, pose: pose_file.PoseFile, seen: Seen
) -> clip_data.Clip:
    """The frames of one person that are drawn."""
    clouds = seen.clouds
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
        **(_colors(opened, chosen) | _keypoints(opened, seen, chosen)),
    )


def _keypoints(
    opened: recording.Recording, seen: Seen, frames: np.ndarray
) -> dict[str, Any]:
    """Keypoints that were used in some frames and their camera; empty if none were."""
    if seen.keypoints is None:
        return {}
    confidence = seen.keypoints.confidence[frames]
    if seen.used is not None:
        confidence = confidence * seen.used[frames, None]
    if not confidence.any():
        return {}
    fields: dict[str, Any] = {
        "keypoints": seen.keypoints.uv[frames],
        "keypoint_confidence": confidence,
    }
    if opened.color_camera is not None:
        fields["color_intrinsics"] = opened.color_camera.intrinsics
        fields["color_from_depth"] = opened.color_from_depth
    return fields


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
