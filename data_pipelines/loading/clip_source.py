"""Clips of tracks as examples of the schema; tracks in memory or on disk."""

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
        """Of the sequence."""

    @property
    def subject(self) -> str:
        """The person."""

    @property
    def static_fields(self) -> Mapping[str, np.ndarray]:
        """Schema fields of the whole track."""

    @property
    def unusable_reason(self) -> str:
        """Why nothing can be learnt from the track; "" where something can."""

    @property
    def missing_joints_reason(self) -> str:
        """Why some joints cannot be, without a teacher who knows them, or ""."""

    @property
    def has_points(self) -> bool:
        """Whether some frame has points of the person."""

    @property
    def crops(self) -> Sequence[str]:
        """Names of the fields of crops that frames have."""

    def __len__(self) -> int: ...

    def frame(self, position: int) -> Mapping[str, np.ndarray]:
        """`points` (points, 3), `time` and the other schema fields of one frame."""


class ClipSource:
    """Clips that cover tracks, as examples of the schema.

    Every frame is scored once: where the last clip of a track overlaps the one before,
    or repeats a frame of a track that is too short, `xyz_valid` is False. Of crops,
    examples have the fields that all tracks have.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        *,
        num_frames: int,
        num_points: int,
        frame_step: int = 1,
        seed: int = 0,
        protocol: str = "",
    ):
        """Cuts the tracks into clips.

        Args:
            tracks: one person each.
            num_frames: frames per clip.
            num_points: points per frame.
            frame_step: a clip has every `frame_step`-th frame.
            seed: of the choice of points.
            protocol: how the split is scored, for people to read.
        """
        self.tracks, self.protocol = tracks, protocol
        self._num_points, self._seed = num_points, seed
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
            for window in clip_positions(len(track), num_frames, frame_step)
        ]
        """(track number, frame positions) of each example."""

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Example `index`, always with the same points."""
        return self.example(index, np.random.default_rng((self._seed, index)))

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Example `index` with points that `rng` draws from the stored ones."""
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
        """Refuses tracks that nothing can be learnt from, and tells of some such.

        Args:
            has_teacher: whether a teacher knows the joints that have no keypoints.

        Raises:
            errors.BadInput: no track has keypoints or joints, or none has points.
        """
        if not any(track.has_points for track in self.tracks):
            raise errors.BadInput(
                "there is not one point of a person in the training data; keypoints "
                "must lie on the person, in pixels of the image, and a set without "
                "depth cannot train a point network"
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
                f"{len(problems)} of {len(self.tracks)} sequences teach nothing;"
                f" the first: {problems[0]}"
            )
        plain = sum("color_crop" not in track.crops for track in self.tracks)
        if 0 < plain < len(self.tracks):
            print(
                f"{plain} of {len(self.tracks)} sequences have no pictures; so clips "
                "have no crops of colour"
            )


def is_new_frame(clips: Sequence[tuple[int, np.ndarray]], index: int) -> np.ndarray:
    """Which frames of a clip no clip before holds: bool (frames,).

    Args:
        clips: (track number, frame positions) of all clips.
        index: of the clip.
    """
    number, window = clips[index]
    first = np.diff(window, prepend=-1) > 0
    if index and clips[index - 1][0] == number:
        first &= ~np.isin(window, clips[index - 1][1])
    return first


def clip_positions(length: int, num_frames: int, step: int) -> list[np.ndarray]:
    """Positions of the clips that cover a track, `num_frames` apart."""
    return [
        positions[window]
        for positions in (np.arange(phase, length, step) for phase in range(step))
        if len(positions)
        for window in sampling.clip_windows(len(positions), num_frames, num_frames)
    ]
