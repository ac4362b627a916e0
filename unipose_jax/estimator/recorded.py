"""Poses in the frames of a recording, clip by clip."""

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
    xyz: np.ndarray  # (points, 3)
    pose: tuple[np.ndarray, np.ndarray] | None = None  # in the clip that it ended


def predict_frames(
    estimator: network.Estimator,
    frames: Iterable[PersonFrame],
    *,
    keypoint_camera: keypoint_input.KeypointCamera | None = None,
    cam_from_points: np.ndarray | None = None,
) -> Iterator[RecordedPose | None]:
    """Predicts the pose in each frame of a recording.

    The network sees clips of `Estimator.frames` successive frames, as in training. A
    clip begins with the last frame of the one before, whose two poses are averaged;
    otherwise people would move more from clip to clip than within clips. With clips of
    three frames the network takes 0.6 of the CPU time that it takes in
    `OnlineEstimator`, which has a window for each frame. A clip that ends early, at a
    gap in time or where nobody is seen, is filled with the frames before it.

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
    clips = _Clips(estimator, inputs, cam_from_points)
    for frame in frames:
        inputs.check_time(frame.time)
        if not len(frame.xyz):
            for known in clips.end():
                yield _calibrated(estimator, known)
            yield None
            continue
        fields = inputs.of_points(
            frame.xyz, frame.time, frame.crops, keypoints=frame.keypoints
        )
        for known in clips.add(_Known(fields, frame.xyz)):
            yield _calibrated(estimator, known)
    for known in clips.end():
        yield _calibrated(estimator, known)


class _Clips:
    """Successive frames, which get their poses clip by clip."""

    def __init__(
        self,
        estimator: network.Estimator,
        inputs: frame_inputs.FrameInputs,
        cam_from_points: np.ndarray | None,
    ):
        self._estimator, self._inputs = estimator, inputs
        self._cam_from_points = cam_from_points
        self._recent: list[_Known] = []  # at most a clip
        self._unfinished = 0  # of them; the first may have a pose in the clip before

    def add(self, frame: _Known) -> list[_Known]:
        """Adds a frame; the frames that are finished then."""
        length, finished = self._estimator.frames, []
        if self._recent and not self._inputs.follows(
            self._recent[-1].fields, frame.fields
        ):
            finished = self.end()
        self._recent = [*self._recent, frame][-length:]
        self._unfinished += 1
        if self._unfinished == length:
            done = self._predict()
            shared = min(length - 1, 1)  # with the next clip
            finished += done[: length - shared]
            self._recent, self._unfinished = [*self._recent[:-1], done[-1]], shared
        return finished

    def end(self) -> list[_Known]:
        """The last frames, before a break; the next frame begins anew."""
        finished = self._recent[len(self._recent) - self._unfinished :]
        if any(frame.pose is None for frame in finished):
            finished = self._predict()
        self._recent, self._unfinished = [], 0
        return finished

    def _predict(self) -> list[_Known]:
        """The unfinished frames, with poses."""
        clip = self._inputs.padded(self._recent)
        fields = [frame.fields for frame in clip]
        found = self._estimator.from_fields(
            self._inputs.clip(fields, self._cam_from_points)
        )
        xyz, confidence = (part[0] for part in found)
        poses = list(zip(clip, xyz, confidence, strict=True))[-self._unfinished :]
        return [_with_pose(*each) for each in poses]


def _with_pose(frame: _Known, xyz: np.ndarray, confidence: np.ndarray) -> _Known:
    """The frame with its pose: the mean of two, if it ended the clip before."""
    if frame.pose is not None:
        xyz = (xyz + frame.pose[0]) / 2
        confidence = (confidence + frame.pose[1]) / 2
    return frame._replace(pose=(xyz, confidence))


def _calibrated(estimator: network.Estimator, frame: _Known) -> RecordedPose:
    assert frame.pose is not None
    xyz, confidence = frame.pose
    used = bool(np.any(frame.fields.get("confidence", 0.0)))
    sure = estimator.calibrated(xyz, confidence, frame.xyz, with_keypoints=used)
    return RecordedPose(xyz, sure, used)
