"""Finds and draws the 2D keypoints of a recording: `run.py --mode=keypoints`."""

import pathlib

from data_pipelines.ground import file_io
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import onnx_pose
from unipose_jax import errors
from unipose_jax.cli import keypoint_sheet


def show_keypoints(
    path: pathlib.Path, model: pathlib.Path | None, skeleton: str
) -> int:
    """Draws the 2D keypoints of a recording, after finding them with an ONNX model.

    Args:
        path: the recording; gets keypoints.json, if there is a model, and
            keypoints.png.
        model: of the 2D detector; None draws what is there.
        skeleton: name of the skeleton of the model's joints, and of the picture.

    Raises:
        errors.BadInput: keypoints would be overwritten, or something cannot be read.
    """
    opened = recording.open_recording(path)
    if model is not None:
        if opened.keypoint_detections() is not None:
            raise errors.BadInput(f"{path} has keypoints already; remove them first")
        file_io.check_writable(path / "keypoints.json")
        found = onnx_pose.detect_recording(
            opened, onnx_pose.KeypointDetector(model, skeleton)
        )
        file_io.write_json(path / "keypoints.json", found)
        opened = recording.open_recording(path)
    keypoint_sheet.preview(opened, skeleton, path / "keypoints.png")
    print(f"keypoints: {path / 'keypoints.png'}")
    return 0
