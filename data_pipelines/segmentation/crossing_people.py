"""Division of regions between people who pass in front of each other.

Where one person passes in front of another, what is seen of the one behind is grouped
with the one in front. Where each of them is in the frames before and after tells whose
a region is.
"""

from typing import NamedTuple

import numpy as np

from data_pipelines.segmentation import body_evidence, person_path

_NEAR = 1.2  # metres; the regions of people further apart are not mixed up
_CLEARLY = 0.75  # a region is another person's if it is nearer to them by a quarter
_WINDOW = 1.0  # seconds, longest time to the frames before and after
_LEAST = 0.02  # m^2; less of a hidden person is not a body


class Parts(NamedTuple):
    """Regions of a candidate body."""

    regions: np.ndarray  # (parts,), region numbers
    centers: np.ndarray  # (parts, 3), metres
    areas: np.ndarray  # (parts,), m^2


def separate(
    tracks: person_path.Tracks, parts: list[list[Parts]], ups: list[np.ndarray]
) -> None:
    """Moves regions to the person whom they belong to, in place.

    Bodies of people who were hidden are appended to the frames of `tracks`, and their
    regions to `parts`.

    Args:
        tracks: of the whole recording.
        parts: of each body of each frame.
        ups: (3,), unit vector away from the floor in each frame.
    """
    people = person_path.people(tracks)
    where = {number: _Place(tracks, number) for number in people}
    for t in range(len(tracks.seen)):
        present = {number: where[number].at(t) for number in people}
        for number in people:
            if number in tracks.numbers[t] and present[number] is not None:
                for other in people:
                    if other != number and present[other] is not None:
                        _move(tracks, parts, t, ups[t], (number, other), present)


class _Place:
    """Where a track is, from the frames around the one that is asked for."""

    def __init__(self, tracks: person_path.Tracks, number: int):
        seen = [
            (t, bodies[names.index(number)].center)
            for t, (bodies, names) in enumerate(
                zip(tracks.seen, tracks.numbers, strict=True)
            )
            if number in names
        ]
        self._frames = np.array([t for t, _ in seen])
        self._centers = np.array([center for _, center in seen])
        self._time = tracks.time

    def at(self, t: int) -> np.ndarray | None:
        """Interpolated position, metres; None if not seen shortly before and after."""
        after = int(np.searchsorted(self._frames, t, side="right"))
        before = int(np.searchsorted(self._frames, t)) - 1
        if before < 0 or after >= len(self._frames):
            return None
        start, end = self._time[self._frames[[before, after]]]
        now = self._time[t]
        if max(now - start, end - now) > _WINDOW:
            return None
        share = (now - start) / max(end - start, 1e-6)
        return (1 - share) * self._centers[before] + share * self._centers[after]


def _move(
    tracks: person_path.Tracks,
    parts: list[list[Parts]],
    t: int,
    up: np.ndarray,
    pair: tuple[int, int],
    present: dict[int, np.ndarray | None],
) -> None:
    """Moves the regions of the first person that are the second's in one frame."""
    names, bodies = tracks.numbers[t], tracks.seen[t]
    number, other = pair
    own, its = present[number], present[other]
    if own is None or its is None or np.linalg.norm(own - its) > _NEAR:
        return
    place = names.index(number)
    mine = parts[t][place]
    theirs = _aside(mine.centers - its, up) < _CLEARLY * _aside(mine.centers - own, up)
    theirs[mine.areas.argmax()] = False
    if not theirs.any():
        return
    taken = Parts(*(values[theirs] for values in mine))
    if other in names:
        at = names.index(other)
        known = np.isin(taken.regions, parts[t][at].regions)
        taken = Parts(
            *(
                np.concatenate([old, new[~known]])
                for old, new in zip(parts[t][at], taken, strict=True)
            )
        )
        parts[t][at] = taken
        bodies[at] = _measured(bodies[at], taken)
    elif taken.areas.sum() > _LEAST:
        names.append(other)
        parts[t].append(taken)
        shape = tracks.whole[other]
        bodies.append(_measured(shape._replace(votes=np.nan), taken))
    parts[t][place] = Parts(*(values[~theirs] for values in mine))
    bodies[place] = _measured(bodies[place], parts[t][place])


def _aside(offsets: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Horizontal length of (parts, 3) vectors; a foot is far below, not aside."""
    return np.linalg.norm(offsets - (offsets @ up)[:, None] * up, axis=1)


def _measured(body: body_evidence.Body, parts: Parts) -> body_evidence.Body:
    """A body with the centre and area of its regions."""
    area = float(parts.areas.sum())
    center = (parts.centers * parts.areas[:, None]).sum(axis=0) / max(area, 1e-9)
    return body._replace(center=center, area=area)
