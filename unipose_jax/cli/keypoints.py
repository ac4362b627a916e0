"""Finds and draws the 2D keypoints of a recording: `run.py --mode=keypoints`."""

import contextlib
import hashlib
import itertools
import os
import pathlib
import time
from typing import Any

import numpy as np

from data_pipelines.ground import file_io
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import keypoint_following as following
from data_pipelines.sequences import keypoint_progress, onnx_pose
from unipose_jax import errors, progress
from unipose_jax.cli import keypoint_sheet
from unipose_jax.detector import files, movenet

NAME = "keypoints.json"
PARTIAL = "keypoints.partial.jsonl"  # in the recording while frames are detected


def show_keypoints(
    path: pathlib.Path, model: pathlib.Path | None, skeleton: str
) -> int:
    """Draws the 2D keypoints of a recording, which are detected if there are none.

    Args:
        path: the recording; gets keypoints.json, if there are no keypoints, and
            keypoints.png.
        model: the 2D detector: an ONNX file, or the files of MoveNet; None for MoveNet
            from the cache folder.
        skeleton: name of the skeleton of an ONNX network's joints, and of the picture.

    Raises:
        errors.BadInput: keypoints would be overwritten, or something cannot be read.
    """
    opened = recording.open_recording(path)
    if opened.keypoint_detections() is None:
        if model is not None and model.suffix.lower() == ".onnx":
            _detect_with_onnx(opened, model, skeleton)
        else:
            detect(path, model=model)
        opened = recording.open_recording(path)
    elif model is not None:
        raise errors.BadInput(
            f"{path} has keypoints already; remove {existing(path)} to detect them"
            " with --model"
        )
    else:
        print(f"{existing(path)} is there: nothing to detect")
    keypoint_sheet.preview(opened, skeleton, path / "keypoints.png")
    print(f"keypoints: {path / 'keypoints.png'}")
    return 0


def detect(path: str | os.PathLike, *, model: str | os.PathLike | None = None) -> Any:
    """Detects the 2D keypoints of a recording with MoveNet and writes keypoints.json.

    A run that was interrupted goes on with the frames that are missing.

    Args:
        path: the recording; it has colour images and no keypoints.
        model: the files of MoveNet (`.json`, or its folder); None for those in the
            cache folder, where they are fetched once.

    Returns:
        The content of keypoints.json: COCO results with the frame number as `image_id`.

    Raises:
        errors.BadInput: there are no colour images, keypoints would be overwritten, no
            frame shows a person, or something cannot be read or written.
    """
    path = pathlib.Path(path)
    opened = recording.open_recording(path)
    if opened.keypoint_detections() is not None:
        raise errors.BadInput(
            f"{path} has keypoints already; remove {existing(path)} first"
        )
    _check_color(opened)
    _check_numbering(opened)
    file_io.check_writable(path / NAME)
    graph = files.find(model)
    found = _follow(opened, graph, path / PARTIAL)
    shown = [entry for entry in found if entry.has_keypoints]
    if not shown:
        raise errors.BadInput(
            f"{path}: MoveNet saw no person in {len(found)} frames; look at color/"
        )
    persons = np.stack([np.asarray(entry.person) for entry in shown])
    uv, confidence = opened.keypoints_to_recorded(
        persons[..., :2], persons[..., 2], "COCO17"
    )
    frames = [entry.frame for entry in shown]
    content = detections.to_coco(uv, confidence, "COCO17", frames)
    file_io.write_json(path / NAME, content)
    with contextlib.suppress(OSError):
        (path / PARTIAL).unlink(missing_ok=True)
    print(f"{path / NAME}: {statistics(found)}")
    return content


def statistics(found: list[following.Found]) -> str:
    """One line: frames with and without keypoints, confidence, fit to the depth map."""
    shown = [entry.person for entry in found if entry.person is not None]
    confidence = np.concatenate([person[:, 2] for person in shown] or [np.zeros(0)])
    confidence = confidence[confidence > 0]
    count = sum(entry.has_keypoints for entry in found)
    line = f"{count} frames with keypoints, {len(found) - count} without"
    if blank := len(found) - len(shown):
        line += f" ({blank} of them without a colour image)"
    if len(confidence):
        line += f", mean confidence {confidence.mean():.2f}"
    compared = sum(entry.compared for entry in found)
    if not compared:
        return f"{line}, no person in the depth maps to compare with"
    outside = sum(entry.outside for entry in found) / compared
    return f"{line}, {outside:.0%} of the keypoints outside the person's depth mask"


def _detect_with_onnx(
    opened: recording.Recording, model: pathlib.Path, skeleton: str
) -> None:
    """Writes keypoints.json with an ONNX network."""
    _check_numbering(opened)
    file_io.check_writable(opened.path / NAME)
    detector = onnx_pose.KeypointDetector(model, skeleton)
    found = onnx_pose.detect_recording(opened, detector)
    file_io.write_json(opened.path / NAME, found)


def _follow(
    opened: recording.Recording, graph: pathlib.Path, partial: pathlib.Path
) -> list[following.Found]:
    """Detects the keypoints of all frames, the known ones taken from a file."""
    network = movenet.load(graph, batch=following.BLOCK)
    header = _header(opened, graph)
    blocks = keypoint_progress.read(partial, header)
    if partial.exists() and not blocks:
        print(f"{partial} is of other files or has no frame; starting anew")
    keypoint_progress.start(partial, header, blocks)
    found = list(itertools.chain.from_iterable(block.found for block in blocks))
    if found:
        print(f"going on after {len(found)} of {len(opened)} frames ({partial})")
    crop = blocks[-1].crop if blocks else None
    begun = time.monotonic()
    with progress.Bar(len(opened), "keypoints", "frame", initial=len(found)) as bar:
        for block in following.follow(opened, network, skip=len(blocks), crop=crop):
            keypoint_progress.append(partial, block)
            found += block.found
            bar.update(len(block.found))
    seconds = max(time.monotonic() - begun, 1e-3)
    new = len(found) - sum(len(block.found) for block in blocks)
    print(f"{new} frames in {seconds:.0f} s, compiling included")
    return found


def _header(opened: recording.Recording, graph: pathlib.Path) -> dict[str, Any]:
    """What known keypoints depend on: network, frames, and when files were added."""
    folders = [opened.path / name for name in ("color", "depth", "mask")]
    changed = [path.stat().st_mtime_ns for path in folders if path.exists()]
    return {
        "network": hashlib.sha256(graph.read_bytes()).hexdigest(),
        "frames": list(opened.frames),
        "folders": changed,
        "camera": (opened.path / "camera.json").read_text(),
        "block": following.BLOCK,
    }


def _check_color(opened: recording.Recording) -> None:
    """Raises if no frame has a colour image."""
    needs = "MoveNet needs color/000000.png (or .jpg) for each depth file"
    if opened.color_camera is None:
        raise errors.BadInput(
            f"{opened.path} has no 2D keypoints to draw and no colour images to find"
            f' them in: {needs}, and "color" in camera.json'
        )
    if not any(opened.has_color(index) for index in range(len(opened))):
        raise errors.BadInput(
            f"{opened.path} has no 2D keypoints to draw and no colour image of a frame:"
            f" {needs}"
        )


def _check_numbering(opened: recording.Recording) -> None:
    """Raises if camera.json describes keypoints of other pictures than color/."""
    if opened.file.keypoints:
        raise errors.BadInput(
            f"{opened.path}/camera.json describes keypoints of another video; remove"
            ' its key "keypoints" to detect keypoints in color/'
        )


def existing(path: pathlib.Path) -> pathlib.Path:
    """The file or folder with keypoints in a recording."""
    return path / NAME if (path / NAME).exists() else path / "keypoints"
