"""The person, or all people, among the candidate bodies of all frames."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_pipelines.segmentation import body_evidence, body_tracks

_USUAL = 0.75  # quantile over the frames of a track: how much it moves when it does
_BRIEF = 0.02  # share of the recording; a shorter track says less about the others
_SURE = 0.3  # plausibility of a body whose motion counts in full against the others
_MIN_PERSON = 0.3  # least plausibility of one of several people
_MIN_FRAMES = 3  # a shorter track in a longer recording is no further person
# Costs of a path; one frame of a certain person 2 m away gains 0.7. They fade with the
# time between two frames: after a pause, a person may be anywhere.
_LEAVE_SEEN = 30.0  # to another body while the one before is still seen
_CHANGE = 0.3  # to another body after the one before has been lost
_FAR = 3.0  # and if no person can have walked there in time
_HIDDEN = 0.15  # to or from a frame without the person
_PAUSE = 1.0  # seconds, in which the costs fade to 0.37

Bodies = Sequence[list[body_evidence.Body]]  # of each frame


class Tracks(NamedTuple):
    """Bodies linked over time, with the evidence of all frames of each track."""

    seen: Bodies
    time: np.ndarray  # (frames,), seconds
    numbers: list[list[int]]  # track of each body of each frame
    whole: dict[int, body_evidence.Body]  # by track; its evidence in all frames
    frames: dict[int, int]  # by track, number of frames
    highest: float  # motion level of the body that moves the most


def link(seen: Bodies, time: np.ndarray) -> Tracks:
    """Links the bodies of all frames, and sums up the evidence for each track.

    Args:
        seen: bodies of each frame.
        time: (frames,), seconds, ascending.
    """
    tracker = body_tracks.BodyTracker()
    numbers = [tracker(b, float(t)) for b, t in zip(seen, time, strict=True)]
    members: dict[int, list[body_evidence.Body]] = {}
    for bodies, names in zip(seen, numbers, strict=True):
        for body, number in zip(bodies, names, strict=True):
            members.setdefault(number, []).append(body)
    whole = {number: _whole(bodies) for number, bodies in members.items()}
    frames = {number: len(bodies) for number, bodies in members.items()}
    highest = max((_level(whole[n], frames[n] / len(seen)) for n in whole), default=0.0)
    return Tracks(seen, time, numbers, whole, frames, highest)


def one_person(tracks: Tracks) -> list[int | None]:
    """The most evident person: position of the body in each frame, None if hidden.

    The path with the highest sum of evidence minus costs of changing to another body
    (Viterbi).
    """
    total, back = np.zeros(1), []
    for t in range(len(tracks.seen)):
        gain = np.array([*(_gain(tracks, t, i) for i in _positions(tracks, t)), 0.0])
        if t:
            value = total[:, None] - _costs(tracks, t)
            back.append(value.argmax(axis=0))
            total = value.max(axis=0) + gain
        else:
            total = gain
    if not len(tracks.seen):
        return []
    path = [int(total.argmax())]
    for choice in reversed(back):
        path.append(int(choice[path[-1]]))
    return [
        place if place < len(bodies) else None
        for place, bodies in zip(reversed(path), tracks.seen, strict=True)
    ]


def people(tracks: Tracks) -> list[int]:
    """Tracks of people, the most evident first."""
    least = min(_MIN_FRAMES, len(tracks.seen))
    value = {
        number: body_evidence.strength(body._replace(votes=np.nan), tracks.highest)
        * tracks.frames[number]
        for number, body in tracks.whole.items()
        if tracks.frames[number] >= least
        and body.score * body_evidence.motion_factor(body.moved, tracks.highest)
        > _MIN_PERSON
    }
    return sorted(value, key=lambda number: -value[number])


def everyone(tracks: Tracks) -> list[list[int | None]]:
    """All people, the most evident first; each as the result of `one_person`."""
    return [
        [names.index(number) if number in names else None for names in tracks.numbers]
        for number in people(tracks)
    ]


def _whole(bodies: Sequence[body_evidence.Body]) -> body_evidence.Body:
    """Evidence of all frames of a track."""
    votes = np.array([body.votes for body in bodies])
    known = votes[~np.isnan(votes)]
    return body_evidence.Body(
        np.median([body.center for body in bodies], axis=0),
        float(np.median([body.area for body in bodies])),
        float(np.mean([body.score for body in bodies])),
        float(np.quantile([body.moved for body in bodies], _USUAL)),
        float(known.mean()) if len(known) else np.nan,
    )


def _level(body: body_evidence.Body, share: float) -> float:
    """How much the motion of a track counts against bodies that do not move."""
    sure = min(1.0, body.score / _SURE) * min(1.0, share / _BRIEF)
    return body_evidence.motion_level(body.moved) * sure


def _positions(tracks: Tracks, t: int) -> range:
    return range(len(tracks.seen[t]))


def _gain(tracks: Tracks, t: int, place: int) -> float:
    """Evidence that a body is the person; -inf excludes it."""
    body = tracks.whole[tracks.numbers[t][place]]
    now = tracks.seen[t][place].votes
    if not np.isnan(now):
        body = body._replace(votes=(body.votes + now) / 2)
    value = body_evidence.strength(body, tracks.highest)
    return value if value > 0 else -np.inf


def _costs(tracks: Tracks, t: int) -> np.ndarray:
    """Cost of each step from frame t - 1 to t; the last row and column: no person."""
    before, after = tracks.numbers[t - 1], tracks.numbers[t]
    cost = np.full((len(before) + 1, len(after) + 1), _HIDDEN)
    cost[-1, -1] = 0.0
    gap = float(tracks.time[t] - tracks.time[t - 1])
    reach = body_tracks.reach(gap)
    for i, number in enumerate(before):
        lost = _CHANGE if number not in after else _LEAVE_SEEN
        cost[i, -1] = _HIDDEN if number not in after else _LEAVE_SEEN
        for j, other in enumerate(after):
            step = tracks.seen[t][j].center - tracks.seen[t - 1][i].center
            away = max(float(np.linalg.norm(step)) - reach, 0.0)
            cost[i, j] = 0.0 if other == number else lost + _FAR * min(away, 1.0)
    return cost * np.exp(-max(gap, 0.0) / _PAUSE)
