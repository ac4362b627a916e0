"""Choice of the person, or of all people, from the evidence of a whole recording.

First pass: `add` finds the candidate bodies of each frame and keeps them compactly.
Then `link` links them to tracks, with the evidence of all frames of each. Motion is
measured against the background of the whole recording, which also shows what was behind
someone who stood there from the beginning. Second pass: `segment` gives the masks.
"""

import zlib
from typing import NamedTuple

import numpy as np

from data_pipelines.segmentation import (
    body_evidence,
    crossing_people,
    person_candidates,
    person_path,
    planes,
    segmenter,
)

_BACKGROUND_FRAMES = 600  # most frames that the background is computed from
_BACKGROUND_SHARE = 0.02  # of the frames must show a background that far away
_COARSE = 2  # grid pixels per pixel of the depth kept to measure motion
_MILLIMETRE = 1e-3  # metres
_MIN_FIT = 0.2  # least share of the keypoints on any body, in the median frame


class _Frame(NamedTuple):
    """What is kept of a frame."""

    time: float  # seconds
    room: planes.Planes
    labels: bytes  # compressed, of the grid
    wide: bool  # whether a label has two bytes
    z: bytes  # compressed uint16 of the coarse grid, millimetres
    candidates: list[person_candidates.Candidate]
    parts: list[crossing_people.Parts]  # of each candidate
    votes: np.ndarray  # (candidates,), share of the keypoints; NaN without any


class WholeRecording:
    """The bodies of a recording: `add` all frames, then `link`, then `segment`."""

    def __init__(self, rays: np.ndarray, intrinsics: np.ndarray):
        """Sets the depth camera; see `segmenter.Segmenter`."""
        self._segmenter = segmenter.Segmenter(rays, intrinsics)
        self._frames: dict[int, _Frame] = {}
        self._linked: dict[int, list[person_candidates.Candidate]] = {}
        self._sample: list[np.ndarray] = []  # coarse depth of every `_every`-th frame
        self._every = 1
        self._shape = (0, 0)

    def add(
        self,
        index: int,
        depth: np.ndarray,
        time: float,
        hint: segmenter.KeypointHint | None = None,
        mask: np.ndarray | None = None,
    ) -> None:
        """Adds a frame, in ascending order.

        Args:
            index: number by which the frame is asked for later.
            depth: (height, width), metres; 0, NaN or infinite where missing.
            time: seconds.
            hint: keypoints of the person to follow, if known.
            mask: bool (height, width), the person to follow, if known.
        """
        view = self._segmenter.analyze(depth)
        shares = None
        if mask is not None:
            shares = segmenter.mask_votes(view, mask)
        elif hint is not None:
            shares = segmenter.keypoint_votes(view, hint)
        votes = np.full(len(view.candidates), np.nan)
        if shares is not None:
            votes = np.array([shares[b.regions].sum() for b in view.candidates])
        self._shape = view.labels.shape
        wide = bool(view.labels.max() > 255)
        labels = view.labels.astype(np.uint16 if wide else np.uint8)
        z = _coarse(view.grid.z)
        z = np.clip(np.round(z / _MILLIMETRE), 0, 65535).astype(np.uint16)
        self._keep_sample(z)
        self._frames[index] = _Frame(
            time,
            view.room,
            zlib.compress(labels.tobytes(), 1),
            wide,
            zlib.compress(z.tobytes(), 1),
            view.candidates,
            _parts(view),
            np.minimum(votes, 1.0),
        )

    def link(self) -> tuple[person_path.Tracks, bool]:
        """Links the bodies of all frames and sums up their evidence.

        Returns:
            The tracks, for `person_path.one_person` or `everyone`, whose frames are in
            ascending order of `index`; and whether the keypoints were used: False if
            most of them lie on no body.
        """
        order = sorted(self._frames)
        frames = [self._frames[index] for index in order]
        background = self._background()
        seen = [self._bodies(frame, background) for frame in frames]
        given = [f.votes.max() for f in frames if len(f.votes) and f.votes[0] >= 0]
        fit = not given or float(np.median(given)) >= _MIN_FIT
        if not fit:  # keypoints of another camera, time or person
            seen = [[b._replace(votes=np.nan) for b in bodies] for bodies in seen]
        time = np.array([frame.time for frame in frames])
        tracks = person_path.link(seen, time)
        parts = [list(frame.parts) for frame in frames]
        crossing_people.separate(tracks, parts, [_up(frame.room) for frame in frames])
        for index, found, bodies in zip(order, parts, tracks.seen, strict=True):
            self._linked[index] = [
                person_candidates.Candidate(part.regions, b.center, b.score, b.area)
                for part, b in zip(found, bodies, strict=True)
            ]
        return tracks, fit

    def segment(
        self, index: int, depth: np.ndarray, body: int | None
    ) -> segmenter.Segmentation:
        """Mask of one of the bodies of a frame, after `link`.

        Args:
            index: of the frame.
            depth: the same depth map as in `add`.
            body: its position in `Tracks.seen`; None for an empty mask.
        """
        frame, linked = self._frames[index], self._linked.get(index, [])
        if body is None:
            nothing = np.zeros(depth.shape, bool)
            return segmenter.Segmentation(nothing, (0,) * 4, frame.room.floor, 0.0)
        view = self._segmenter.restore(depth, frame.room, self._labels(frame), linked)
        return segmenter.extract_person(view, linked[body])

    def _bodies(
        self, frame: _Frame, background: np.ndarray
    ) -> list[body_evidence.Body]:
        """The candidates of a frame with motion against the whole recording."""
        labels = _coarse(self._labels(frame))
        stored = np.frombuffer(zlib.decompress(frame.z), np.uint16)
        z = stored.reshape(labels.shape) * np.float32(_MILLIMETRE)
        moved = body_evidence.moved_pixels(z, background)
        shares = body_evidence.moved_shares(frame.candidates, labels, z, moved)
        return [
            body_evidence.Body(c.center, c.area, c.score, float(share), float(votes))
            for c, share, votes in zip(
                frame.candidates, shares, frame.votes, strict=True
            )
        ]

    def _labels(self, frame: _Frame) -> np.ndarray:
        kind = np.uint16 if frame.wide else np.uint8
        flat = np.frombuffer(zlib.decompress(frame.labels), kind)
        return flat.reshape(self._shape).astype(np.int32)

    def _keep_sample(self, z: np.ndarray) -> None:
        """Keeps equally spaced frames, at most `_BACKGROUND_FRAMES`."""
        if len(self._frames) % self._every == 0:
            self._sample.append(z)
        if len(self._sample) > _BACKGROUND_FRAMES:
            self._sample, self._every = self._sample[::2], 2 * self._every

    def _background(self) -> np.ndarray:
        """Farthest depth seen in enough frames: float32 (coarse grid), metres."""
        count = len(self._sample)
        if not count:
            return np.zeros((1, 1), np.float32)
        rank = max(1, round(_BACKGROUND_SHARE * count))
        ordered = np.partition(np.stack(self._sample), count - rank, axis=0)
        return ordered[count - rank] * np.float32(_MILLIMETRE)


def _parts(view: segmenter.SegmentedFrame) -> list[crossing_people.Parts]:
    """The regions of each candidate of a frame."""
    labels, xyz = view.labels.ravel(), view.grid.xyz.reshape(-1, 3)
    area = (xyz[:, 2] * np.float32(view.grid.pixel_angle)) ** 2
    areas = np.bincount(labels, area)
    sums = [np.bincount(labels, area * axis) for axis in xyz.T]
    centers = np.stack(sums, axis=1) / np.maximum(areas, 1e-9)[:, None]
    return [
        crossing_people.Parts(b.regions, centers[b.regions], areas[b.regions])
        for b in view.candidates
    ]


def _up(room: planes.Planes) -> np.ndarray:
    return np.array([0.0, -1.0, 0.0]) if room.floor is None else room.floor[:3]


def _coarse(image: np.ndarray) -> np.ndarray:
    """Every second pixel of the grid; all of them if there are few."""
    return image[::_COARSE, ::_COARSE]
