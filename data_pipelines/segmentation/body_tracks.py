"""Tracks of candidate bodies: which body of a frame is which of the frame before.

Bodies and tracks are assigned one to one. A body continues the track whose predicted
position (constant velocity) and visible area fit best, within the distance that a
person covers in the time between the frames.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from data_pipelines.ground import assignment
from data_pipelines.segmentation import body_evidence

FRAME_TIME = 1 / 30  # seconds between frames whose time is not known
_JITTER = 0.35  # metres; the centre moves with limbs, occlusion and region borders
_SPEED = 3.0  # m/s, a running person
_REACH = 1.5  # metres; a body further away is not linked
_AREA_WEIGHT = 0.3  # of a change of visible area by a factor of e, in `_REACH`es
_COASTING = 0.7  # seconds for which an unseen body keeps its velocity
_SMOOTHING = 0.2  # seconds, of the velocity
_RISE, _DECAY = 0.4, 60.0  # seconds; motion is learned fast and forgotten slowly
_AVERAGE = 2.0  # seconds, of plausibility and keypoints
_ROUNDING = 1e-6  # seconds


@dataclasses.dataclass
class Track:
    """One body over time, with its evidence so far."""

    number: int
    body: body_evidence.Body  # where it was last; its evidence is the average so far
    velocity: np.ndarray  # (3,), m/s
    start: float  # seconds, first seen
    time: float  # seconds, last seen


def reach(gap: float) -> float:
    """Farthest that a body's centre gets in `gap` seconds, metres."""
    return min(_JITTER + _SPEED * max(gap, 0.0), _REACH)


class BodyTracker:
    """Numbers the bodies of successive frames: `numbers = tracker(bodies, time)`."""

    def __init__(self, forget: float = 3.0):
        """Starts without tracks.

        Args:
            forget: seconds after which an unseen body is dropped; frames that are
                further apart are linked with the frame before.
        """
        self.tracks: dict[int, Track] = {}
        self._forget = forget
        self._next = 0
        self._last = 0.0  # seconds, of the last frame

    def __call__(self, bodies: Sequence[body_evidence.Body], time: float) -> list[int]:
        """Track number of each body; a body without a track starts one.

        Args:
            bodies: of a frame; no two of them are the same body.
            time: seconds, ascending.
        """
        self._drop_unseen(time)
        same = self._assign(bodies, time)
        numbers = []
        for index, body in enumerate(bodies):
            if index in same:
                _update(self.tracks[same[index]], body, time)
                numbers.append(same[index])
                continue
            track = Track(self._next, body, np.zeros(3), time, time)
            self.tracks[self._next] = track
            numbers.append(self._next)
            self._next += 1
        return numbers

    def _drop_unseen(self, time: float) -> None:
        for track in list(self.tracks.values()):
            if track.time < min(self._last, time - self._forget) - _ROUNDING:
                del self.tracks[track.number]
        self._last = time

    def _assign(
        self, bodies: Sequence[body_evidence.Body], time: float
    ) -> dict[int, int]:
        """Track number by position in `bodies`, for those that continue a track."""
        known = list(self.tracks.values())
        cost = np.full((len(bodies), len(known)), np.inf)
        for j, track in enumerate(known):
            gap = max(time - track.time, 0.0)
            place = track.body.center + track.velocity * min(gap, _COASTING)
            for i, body in enumerate(bodies):
                away = np.linalg.norm(body.center - place)
                if away < reach(gap):
                    change = abs(np.log(body.area / track.body.area))
                    cost[i, j] = away + _REACH * _AREA_WEIGHT * min(change, 1.0)
        return {i: known[j].number for i, j in assignment.assign(cost)}


def _update(track: Track, body: body_evidence.Body, time: float) -> None:
    """Moves a track to a body and averages the evidence."""
    before, gap = track.body, max(time - track.time, 1e-3)
    velocity = (body.center - before.center) / gap
    velocity *= min(1.0, _SPEED / max(float(np.linalg.norm(velocity)), 1e-6))
    new = 1 - np.exp(-gap / _SMOOTHING)
    track.velocity = (1 - new) * track.velocity + new * velocity
    slow = 1 - np.exp(-gap / _AVERAGE)
    moving = 1 - np.exp(-gap / (_RISE if body.moved > before.moved else _DECAY))
    votes = before.votes
    if not np.isnan(body.votes):
        part = 1.0 if np.isnan(votes) else slow
        votes = (1 - part) * np.nan_to_num(votes) + part * body.votes
    track.body = body._replace(
        score=before.score + slow * (body.score - before.score),
        moved=before.moved + moving * (body.moved - before.moved),
        votes=votes,
    )
    track.time = time
