"""Clips of tracks, in memory or on disk, as schema examples."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from data_pipelines.ground import sampling
from unipose_jax import errors

_PER_FRAME = ("uv", "confidence", "xyz", "xyz_valid", "visible")


class Track(Protocol):
    """One person; `len` is the number of frames."""

    @property
    def name(self) -> str:
        """Name of the sequence."""

    @property
    def subject(self) -> str:
        """Identifier of the person."""

    @property
    def static_fields(self) -> Mapping[str, np.ndarray]:
        """Schema fields without a frame axis."""

    @property
    def time(self) -> np.ndarray:
        """(frames,), seconds."""

    @property
    def unusable_reason(self) -> str:
        """Why the track cannot be used for training; "" if it can."""

    @property
    def missing_joints_reason(self) -> str:
        """Why some joints cannot be trained without a teacher model, or ""."""

    @property
    def has_points(self) -> bool:
        """Whether any frame has points of the person."""

    @property
    def crops(self) -> Sequence[str]:
        """Names of the crop fields of all frames."""

    def __len__(self) -> int: ...

    def frame(self, position: int) -> Mapping[str, np.ndarray]:
        """Returns `points` (points, 3), `time` and the other fields of one frame."""


class ClipSource:
    """Clips that cover tracks, as schema examples.

    No clip crosses a gap in time. Every frame is evaluated once: `xyz_valid` is False
    where the last clip before a gap overlaps the previous clip or repeats its last
    frame. Examples have the crop fields that all tracks have.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        *,
        num_frames: int,
        num_points: int,
        frame_step: int = 1,
        max_interval: float = sampling.MAX_INTERVAL,
        seed: int = 0,
        protocol: str = "",
    ):
        """Divides the tracks into clips.

        Args:
            tracks: tracks of one person each.
            num_frames: frames per clip.
            num_points: points per frame.
            frame_step: step between frames of a clip.
            max_interval: longest time between neighbouring frames of a clip, seconds.
            seed: seed of the sampling of points.
            protocol: description of the evaluation protocol.
        """
        self.tracks, self.protocol = tracks, protocol
        self._num_points, self._seed = num_points, seed
        self._num_frames, self._max_interval = num_frames, max_interval
        self._names = list(_PER_FRAME)
        if tracks:
            self._names += [
                name
                for name in tracks[0].crops
                if all(name in track.crops for track in tracks)
            ]
        self.clips = [
            (number, window)
            for number, track in enumerate(tracks)
            for window in clip_positions(
                track.time, num_frames, step=frame_step, max_interval=max_interval
            )
        ]
        """(track number, frame positions) of each example."""

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Returns example `index`, always with the same points."""
        return self.example(index, np.random.default_rng((self._seed, index)))

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns example `index` with points sampled by `rng` from the stored ones."""
        number, window = self.clips[index]
        track = self.tracks[number]
        frames = [track.frame(int(position)) for position in window]
        drawn = [
            sampling.sample_points(frame["points"], self._num_points, rng, repeat=True)
            for frame in frames
        ]
        fields = {name: np.stack([f[name] for f in frames]) for name in self._names}
        fields["xyz_valid"] &= is_new_frame(self.clips, index)[:, None]
        time = np.array([frame["time"] for frame in frames])
        return {
            **track.static_fields,
            **fields,
            "points": np.stack([points for points, _ in drawn]),
            "points_valid": np.stack([valid for _, valid in drawn]),
            "time": (time - time[0]).astype(np.float32),
        }

    def check_supervision(self, *, has_teacher: bool = False) -> None:
        """Checks that the tracks can be used for training, and warns about some.

        Args:
            has_teacher: whether a teacher model predicts joints without keypoints.

        Raises:
            errors.BadInput: no track has keypoints or 3D joints, or none has points.
        """
        if not any(track.has_points for track in self.tracks):
            raise errors.BadInput(
                "the training data have no points of a person; keypoints must be on "
                "the person, in pixels of the image, and a point network needs depth"
            )
        found = [
            t.unusable_reason or (not has_teacher and t.missing_joints_reason)
            for t in self.tracks
        ]
        problems = [problem for problem in found if problem]
        if len(problems) == len(self.tracks):
            raise errors.BadInput(problems[0])
        if problems:
            print(
                f"{len(problems)} of {len(self.tracks)} sequences cannot be used;"
                f" the first: {problems[0]}"
            )
        self._report_slow_tracks()
        plain = sum("color_crop" not in track.crops for track in self.tracks)
        if 0 < plain < len(self.tracks):
            print(
                f"{plain} of {len(self.tracks)} sequences have no colour images, so "
                "clips have no colour crops"
            )

    def _report_slow_tracks(self) -> None:
        """Prints a line if the frames of a track are too far apart for clips."""
        single = {number for number, _ in self.clips} - {
            number for number, window in self.clips if window[0] < window[-1]
        }
        slow = [self.tracks[i] for i in sorted(single) if len(self.tracks[i]) > 1]
        if slow and self._num_frames > 1:
            interval = float(np.median(np.diff(slow[0].time)))
            print(
                f"{slow[0].name}: its frames are {interval:.3g} s apart and "
                f"config.data.max_interval is {self._max_interval:g} s, so each clip "
                f"is one frame; the same for {len(slow) - 1} other sequences"
            )


def is_new_frame(clips: Sequence[tuple[int, np.ndarray]], index: int) -> np.ndarray:
    """Mask of the frames of a clip that no earlier clip has: bool (frames,).

    Args:
        clips: (track number, frame positions) of all clips.
        index: index of the clip.
    """
    number, window = clips[index]
    first = np.diff(window, prepend=-1) > 0
    if index and clips[index - 1][0] == number:
        first &= ~np.isin(window, clips[index - 1][1])
    return first


def clip_positions(
    time: np.ndarray, num_frames: int, *, step: int, max_interval: float
) -> list[np.ndarray]:
    """Frame positions of the clips that cover a track, `num_frames` apart.

    Args:
        time: (frames,) of the track, seconds.
        num_frames: frames per clip.
        step: step between frames of a clip.
        max_interval: longest time between neighbouring frames of a clip, seconds.
    """
    return [
        positions[window]
        for first, stop in segments(time, step, max_interval)
        for positions in (np.arange(first + phase, stop, step) for phase in range(step))
        if len(positions)
        for window in sampling.clip_windows(len(positions), num_frames, num_frames)
    ]


def segments(time: np.ndarray, step: int, max_interval: float) -> list[tuple[int, int]]:
    """(first, stop) of the parts of a track without a gap for frames `step` apart."""
    return sampling.segments(time, max_interval / step)
