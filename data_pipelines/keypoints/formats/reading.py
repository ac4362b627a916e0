"""Reads a keypoint file or folder in any known format, recognised by its content."""

import pathlib
from typing import Any

from data_pipelines.ground import file_io
from data_pipelines.keypoints.formats import (
    coco,
    mediapipe,
    mmpose,
    openpose,
    parsed,
    ultralytics,
)
from unipose_jax import errors

KNOWN = (
    "COCO results or annotations, AlphaPose, OpenPose, MMPose, MediaPipe Pose, "
    "Ultralytics"
)


def parse(path: pathlib.Path) -> parsed.Parsed:
    """Parses a file, or the files of a folder (*.json, or *.txt of Ultralytics).

    Raises:
        errors.BadInput: a file cannot be read, or has no known format.
    """
    folder = path.is_dir()
    paths = sorted(path.glob("*.json")) if folder else [path]
    if not paths and (texts := sorted(path.glob("*.txt"))):
        return ultralytics.parse_text(texts)
    if not paths:
        raise errors.BadInput(
            f"{path} has no keypoint files: *.json of OpenPose, MMPose, MediaPipe or "
            "Ultralytics, or *.txt of Ultralytics"
        )
    contents = {file: file_io.read_json(file) for file in paths}
    # An empty list or dict is a frame without people: it has no format.
    sample = next((raw for raw in contents.values() if raw), contents[paths[0]])
    if mmpose.is_mmpose(sample):
        return mmpose.parse(contents)
    if ultralytics.is_ultralytics(sample):
        return ultralytics.parse_json(contents, folder)
    if openpose.is_openpose(sample):
        return openpose.parse(contents)
    if mediapipe.is_mediapipe(sample):
        return mediapipe.parse(contents, folder)
    if folder and all(raw == [] for raw in contents.values()):
        return mmpose.parse(contents)
    if not folder and coco.is_coco(sample):
        return coco.parse(sample, path)
    raise errors.BadInput(_unknown(sample, paths[0], folder))


def _unknown(raw: Any, path: pathlib.Path, folder: bool) -> str:
    """Message: what a file holds that no format has."""
    entry = raw[0] if isinstance(raw, list) and raw else raw
    what = type(raw).__name__ if raw else "empty"
    if isinstance(entry, dict) and entry:
        keys = ", ".join(map(repr, list(entry)[:6]))
        what = f"{'a list of entries' if entry is not raw else 'an object'} with {keys}"
    if folder and coco.is_coco(raw):
        what = "COCO results, which go into keypoints.json, not into a folder"
    return f"{path} has no known keypoint format ({KNOWN}): it is {what}"
