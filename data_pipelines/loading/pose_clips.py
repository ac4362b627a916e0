"""Clips of 2D and 3D joints without depth, for 2D-to-3D lifting networks.

All poses are kept in memory, because they are small, and a clip is a slice. A training
clip starts at a random frame.
"""

import re
from collections.abc import Sequence

import numpy as np

from data_pipelines.ground import sampling
from data_pipelines.loading import clip_source
from unipose_jax import errors

_POSE_FIELDS = ("uv", "confidence", "xyz", "xyz_valid", "visible")


class PoseClips:
    """Clips that cover tracks, as schema examples without points.

    Every frame is evaluated once, as in `clip_source.ClipSource`. Training examples of
    unlabelled subjects have only keypoints.
    """

    def __init__(
        self,
        tracks: Sequence[clip_source.Track],
        *,
        num_frames: int,
        frame_step: int = 1,
        max_interval: float = sampling.MAX_INTERVAL,
        labeled_subjects: Sequence[str] = (),
        protocol: str = "",
    ):
        """Divides the tracks into clips.

        Args:
            tracks: tracks of one person each.
            num_frames: frames per clip.
            frame_step: step between frames of a clip.
            max_interval: longest time between neighbouring frames of a clip, seconds.
            labeled_subjects: subjects whose 3D joints are used for training; empty for
                all.
            protocol: description of the evaluation protocol.
        """
        self.tracks, self.protocol = tracks, protocol
        self._num_frames, self._step = num_frames, frame_step
        self._poses = [_stack_poses(track) for track in tracks]
        self._has_labels = [
            not labeled_subjects or track.subject in labeled_subjects
            for track in tracks
        ]
        self.clips = [
            (number, window)
            for number, track in enumerate(tracks)
            for window in clip_source.clip_positions(
                track.time, num_frames, step=frame_step, max_interval=max_interval
            )
        ]
        """(track number, frame positions) of each example."""
        self._segments = [
            clip_source.segments(track.time, frame_step, max_interval)
            for track in tracks
        ]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Returns example `index`; `xyz_valid` is False for frames of earlier clips."""
        number, window = self.clips[index]
        example = self._cut(number, window)
        example["xyz_valid"] &= clip_source.is_new_frame(self.clips, index)[:, None]
        return example

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns a clip without a gap from a random start near example `index`."""
        number, window = self.clips[index]
        start, stop = next(
            segment for segment in self._segments[number] if window[0] < segment[1]
        )
        last = max(stop - 1 - (self._num_frames - 1) * self._step, start)
        first = window[0] + rng.integers(-(self._num_frames * self._step // 2), 1)
        first += rng.integers(0, self._num_frames * self._step // 2 + 1)
        steps = np.arange(self._num_frames) * self._step
        window = np.minimum(np.clip(first, start, last) + steps, stop - 1)
        example = self._cut(number, window)
        if not self._has_labels[number]:
            example["xyz"] = np.full_like(example["xyz"], np.nan)
            example["xyz_valid"] = np.zeros_like(example["xyz_valid"])
        return example

    def check_supervision(self, *, has_teacher: bool = False) -> None:
        """Checks that the tracks can be used for training.

        Args:
            has_teacher: not used, because keypoints are the only input of lifting.

        Raises:
            errors.BadInput: no track has keypoints, or no labelled subject is in it.
        """
        del has_teacher
        found = [
            track.unusable_reason or track.missing_joints_reason
            for track in self.tracks
        ]
        problems = [problem for problem in found if problem]
        if len(problems) == len(self.tracks):
            raise errors.BadInput(problems[0])
        if not any(self._has_labels):
            raise errors.BadInput(
                "config.data.labeled_subjects has no subject of the train split"
            )

    def groups(self) -> list[str]:
        """Person and action of each clip, from the names of the sequences."""
        return [action_of(self.tracks[number].name) for number, _ in self.clips]

    def _cut(self, number: int, window: np.ndarray) -> dict[str, np.ndarray]:
        poses = self._poses[number]
        time = poses["time"][window]
        frames = len(window)
        return {
            "floor": np.full(4, np.nan, np.float32),  # unknown
            **self.tracks[number].static_fields,
            **{name: poses[name][window] for name in _POSE_FIELDS},
            "points": np.zeros((frames, 0, 3), np.float32),
            "points_valid": np.zeros((frames, 0), bool),
            "time": (time - time[0]).astype(np.float32),
        }


def action_of(name: str) -> str:
    """Person and action from a sequence name of the `videopose` readers.

    `Validate_S1_Walking_1_chunk0_cam2` gives "S1 Walking", `S9_Photo_1_cam0` gives "S9
    Photo".
    """
    parts = re.fullmatch(
        r"(?:[A-Za-z]+_)?(S\d+)_(.+?)(?:_\d+)?(?:_chunk\d+)?_cam\d+", name
    )
    return f"{parts[1]} {parts[2].replace('_', ' ')}" if parts else name


def _stack_poses(track: clip_source.Track) -> dict[str, np.ndarray]:
    frames = [track.frame(position) for position in range(len(track))]
    return {
        name: np.stack([np.asarray(frame[name]) for frame in frames])
        for name in (*_POSE_FIELDS, "time")
    }
