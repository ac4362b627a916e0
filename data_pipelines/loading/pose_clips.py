"""Clips of 2D and 3D joints without depth, for networks that lift keypoints.

Poses are small: they are kept in memory, and a clip is a slice. A training clip starts
at any frame.
"""

import re
from collections.abc import Sequence

import numpy as np

from data_pipelines.loading import clip_source
from unipose_jax import errors

_POSE_FIELDS = ("uv", "confidence", "xyz", "xyz_valid", "visible")


class PoseClips:
    """Clips that cover tracks, as examples of the schema with no points.

    Every frame is scored once, as in `clips.ClipSource`. Of people who are not
    labelled, examples to train on have keypoints only.
    """

    def __init__(
        self,
        tracks: Sequence[clip_source.Track],
        *,
        num_frames: int,
        frame_step: int = 1,
        labeled_subjects: Sequence[str] = (),
        protocol: str = "",
    ):
        """Cuts the tracks into clips.

        Args:
            tracks: one person each.
            num_frames: frames per clip.
            frame_step: a clip has every `frame_step`-th frame.
            labeled_subjects: people whose 3D joints are learnt from; none names
                everybody.
            protocol: how the split is scored, for people to read.
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
            for window in clip_source.clip_positions(len(track), num_frames, frame_step)
        ]
        """(track number, frame positions) of each example."""

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Example `index`; `xyz_valid` is False where a clip before has the frame."""
        number, window = self.clips[index]
        example = self._cut(number, window)
        example["xyz_valid"] &= clip_source.is_new_frame(self.clips, index)[:, None]
        return example

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """A clip of the track of example `index` that starts where `rng` says."""
        number, window = self.clips[index]
        length = len(self.tracks[number])
        last = max(length - 1 - (self._num_frames - 1) * self._step, 0)
        first = window[0] + rng.integers(-(self._num_frames * self._step // 2), 1)
        first += rng.integers(0, self._num_frames * self._step // 2 + 1)
        steps = np.arange(self._num_frames) * self._step
        window = np.minimum(np.clip(first, 0, last) + steps, length - 1)
        example = self._cut(number, window)
        if not self._has_labels[number]:
            example["xyz"] = np.full_like(example["xyz"], np.nan)
            example["xyz_valid"] = np.zeros_like(example["xyz_valid"])
        return example

    def check_supervision(self, *, has_teacher: bool = False) -> None:
        """Refuses tracks that nothing can be learnt from.

        Args:
            has_teacher: is not looked at: keypoints are all that lifting sees.

        Raises:
            errors.BadInput: no track has keypoints, or nobody's joints may be learnt.
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
                "config.data.labeled_subjects names nobody in the train split"
            )

    def groups(self) -> list[str]:
        """Person and action of each clip, as far as the names of sequences tell."""
        return [action_of(self.tracks[number].name) for number, _ in self.clips]

    def _cut(self, number: int, window: np.ndarray) -> dict[str, np.ndarray]:
        poses = self._poses[number]
        time = poses["time"][window]
        frames = len(window)
        return {
            **self.tracks[number].static_fields,
            **{name: poses[name][window] for name in _POSE_FIELDS},
            "points": np.zeros((frames, 0, 3), np.float32),
            "points_valid": np.zeros((frames, 0), bool),
            "time": (time - time[0]).astype(np.float32),
        }


def action_of(name: str) -> str:
    """Person and action in the name of a sequence that `videopose` gave.

    `Validate_S1_Walking_1_chunk0_cam2` is "S1 Walking", `S9_Photo_1_cam0` "S9 Photo".
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
