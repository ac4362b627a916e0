"""Report of a prediction: frames of a recording with the predicted poses."""

import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from unipose_jax import errors
from unipose_jax.report import build
from unipose_jax.report.draw import clip_data


def report_poses(
    opened: recording.Recording,
    clouds: Mapping[int, tracks.PersonCloud],
    pose: pose_file.PoseFile,
    output: pathlib.Path,
) -> pathlib.Path:
    """Writes a report page of some frames into a folder next to the pose file.

    Args:
        opened: the recording.
        clouds: the segmented person by frame position; these frames are drawn.
        pose: the poses of all frames.
        output: the pose file; the folder has its name without the suffix.

    Returns:
        Path of the page.
    """
    chosen = np.array(sorted(clouds))
    clip = clip_data.Clip(
        name=opened.path.name,
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
    return build.write_report(
        output.with_suffix(""),
        title=f"Poses in {opened.path.name}",
        skeleton=pose.skeleton,
        rendered=False,
        subtitle=f"{len(pose)} frames",
        clips=[clip],
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
