"""Draws the 2D keypoints of a recording or sequence over some of its frames."""

import pathlib

import numpy as np

from data_pipelines.keypoints import detections
from data_pipelines.sequences import sequence
from unipose_jax import errors
from unipose_jax.report.pages import keypoint_preview
from unipose_jax.skeleton import definitions


def preview(
    opened: sequence.Sequence,
    skeleton: str,
    path: pathlib.Path,
    *,
    frames: int = 6,
) -> None:
    """Draws the keypoints of a few frames over colour, or depth where there is none.

    Left orange, right blue, middle dark; every joint has its index in the skeleton, and
    the names stand below. The person is the most visible one, as training takes it
    where there are no masks. Images and keypoints are as recorded, lens distortion
    included.

    Args:
        opened: a recording or another sequence.
        skeleton: name of the skeleton to show the keypoints in.
        path: PNG to write.
        frames: most images, equally spaced among the frames with keypoints.

    Raises:
        errors.BadInput: no such skeleton, no keypoints, or a frame cannot be read.
    """
    if skeleton not in definitions.NAMES:
        raise errors.BadInput(
            f"unknown skeleton {skeleton!r}; use one of {', '.join(definitions.NAMES)}"
        )
    found = opened.keypoint_detections()
    if found is None:
        raise errors.BadInput(f"{opened.name} has no 2D keypoints to draw")
    uv, confidence = detections.track_person(found, opened.frames)
    uv, confidence = detections.convert_keypoints(
        uv, confidence, found.joints, skeleton
    )
    shown = np.flatnonzero((confidence > 0).any(axis=1))
    if not len(shown):
        raise errors.BadInput(
            f"{opened.name}: none of the 2D keypoints is of a frame, or of {skeleton}"
        )
    chosen = shown[np.linspace(0, len(shown) - 1, min(frames, len(shown))).astype(int)]
    keypoint_preview.draw_sheet(
        path,
        [_image(opened, int(index)) for index in chosen],
        uv[chosen],
        confidence[chosen],
        body=definitions.by_name(skeleton),
        labels=[f"frame {opened.frames[index]}" for index in chosen],
        title=f"{opened.name}: 2D keypoints as {skeleton}",
    )


def _image(opened: sequence.Sequence, index: int) -> np.ndarray:
    """Colour, or depth, or, where the keypoints' camera has neither, a blank image."""
    image = opened.color(index)
    if image is None and opened.color_camera is None:
        image = opened.depth(index)
    if image is None:
        camera = opened.keypoint_camera
        image = np.full((camera.height, camera.width, 3), 225, np.uint8)
    return image
