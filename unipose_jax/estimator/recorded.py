"""Poses in the frames of a recording, in clips that do not overlap."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from unipose_jax.estimator import frame_inputs, network
from unipose_jax.estimator import keypoints as keypoint_input


class PersonFrame(NamedTuple):
    """The person in a frame."""

    xyz: np.ndarray  # (points, 3), metres, depth-camera frame; may be empty
    time: float  # seconds
    crops: Mapping[str, np.ndarray] | None = None  # crop fields, if the network has any
    # Pixels (joints, 2) without lens distortion, and confidence (joints,).
    keypoints: tuple[np.ndarray, np.ndarray] | None = None


class RecordedPose(NamedTuple):
    """The pose in a frame."""

    xyz: np.ndarray  # (joints, 3), metres, depth-camera frame
    confidence: np.ndarray  # (joints,), see `Estimator.calibrated`
    used_keypoints: bool  # whether it depends on 2D keypoints of the frame


class _Known(NamedTuple):
    """A frame with a person."""

    fields: dict[str, np.ndarray]
    xyz: np.ndarray


def predict_frames(
    estimator: network.Estimator,
    frames: Iterable[PersonFrame],
    *,
    keypoint_camera: keypoint_input.KeypointCamera | None = None,
    cam_from_points: np.ndarray | None = None,
) -> Iterator[RecordedPose | None]:
    """Predicts the pose in each frame of a recording.

    The network sees each frame once, in clips of `Estimator.frames` successive frames,
    as in training: a fraction of the work of `OnlineEstimator`, which sees the frames
    of its window again for each pose. A clip whose frames run out, before a gap in time
    or where nobody is seen, is filled with the frames before it.

    Args:
        estimator: its inputs are points, and crops and keypoints if it takes some.
        frames: in the order of time. They are read a clip ahead of the poses.
        keypoint_camera: camera of the 2D keypoints, if frames come with some.
        cam_from_points: (4, 4), from the depth to the colour camera, for crops.

    Yields:
        The pose of each frame; None where a frame has no points.

    Raises:
        ValueError: points are not an input of the network, points or times have
            another unit, or keypoints have another shape or unit, or no camera.
    """
    inputs = frame_inputs.FrameInputs(estimator, keypoint_camera)
    known: list[_Known] = []  # successive frames, those of the last clip at the start
    new = 0  # of them have no pose yet

    def predict() -> Iterator[RecordedPose]:
        if new:
            frames = inputs.padded(known)
            fields = [frame.fields for frame in frames]
            found = estimator.from_fields(inputs.clip(fields, cam_from_points))
            both = (part[0] for part in found)
            for frame, *pose in list(zip(frames, *both, strict=True))[-new:]:
                yield _calibrated(estimator, frame, *pose)

    for frame in frames:
        inputs.check_time(frame.time)
        if not len(frame.xyz):
            yield from predict()
            known, new = [], 0
            yield None
            continue
        fields = inputs.of_points(
            frame.xyz, frame.time, frame.crops, keypoints=frame.keypoints
        )
        if known and not inputs.follows(known[-1].fields, fields):
            yield from predict()
            known, new = [], 0
        known = [*known, _Known(fields, frame.xyz)][-estimator.frames :]
        new += 1
        if new == estimator.frames:
            yield from predict()
            new = 0
    yield from predict()


def _calibrated(
    estimator: network.Estimator,
    frame: _Known,
    xyz: np.ndarray,
    confidence: np.ndarray,
) -> RecordedPose:
    used = bool(np.any(frame.fields.get("confidence", 0.0)))
    sure = estimator.calibrated(xyz, confidence, frame.xyz, with_keypoints=used)
    return RecordedPose(xyz, sure, used)
