"""Segmentation and tracking of several people in a depth video."""

import numpy as np
from scipy import optimize

from data_pipelines.segmentation import person_candidates, segmenter

_MIN_SCORE = 0.2  # least plausibility; higher than for a single person
_MAX_STEP = 0.6  # metres, largest movement of a person between two frames
_MAX_UNSEEN_FRAMES = 30  # frames after which an unseen person is dropped


class MultiPersonSegmenter:
    """Segments all people in successive depth maps: `people = segmenter(depth)`.

    Two people who touch are segmented as one.
    """

    def __init__(self, rays: np.ndarray, intrinsics: np.ndarray):
        """Sets the depth camera; see `segmenter.Segmenter`."""
        self._segmenter = segmenter.Segmenter(rays, intrinsics)
        self._places: dict[int, np.ndarray] = {}  # (3,), metres, last position
        self._unseen: dict[int, int] = {}  # frames since then
        self._next = 0

    def __call__(self, depth: np.ndarray) -> dict[int, segmenter.Segmentation]:
        """Segments all people in a depth map.

        Args:
            depth: (height, width), metres; 0, NaN or infinite where missing.

        Returns:
            Segmentation by track number. A person keeps the number in later frames.
        """
        view = self._segmenter.analyze(depth)
        found = _without_overlaps(view.candidates)
        numbers = self._follow(np.array([b.center for b in found]).reshape(-1, 3))
        return {
            number: segmenter.extract_person(view, body)
            for number, body in zip(numbers, found, strict=True)
        }

    def _follow(self, places: np.ndarray) -> list[int]:
        """Track numbers of people at (people, 3): that of the nearest track, or new."""
        known = list(self._places)
        before = np.array([self._places[n] for n in known]).reshape(-1, 3)
        away = np.linalg.norm(places[:, None] - before, axis=-1)
        # Pairs that are too far apart all cost the same and do not affect the others.
        pairs = zip(
            *optimize.linear_sum_assignment(np.minimum(away, _MAX_STEP)), strict=True
        )
        same = {int(i): known[j] for i, j in pairs if away[i, j] < _MAX_STEP}
        numbers = []
        for i, place in enumerate(places):
            number = same.get(i, self._next)
            self._next = max(self._next, number + 1)
            self._places[number], self._unseen[number] = place, -1
            numbers.append(number)
        for number in list(self._places):
            self._unseen[number] += 1
            if self._unseen[number] > _MAX_UNSEEN_FRAMES:
                del self._places[number], self._unseen[number]
        return numbers


def _without_overlaps(
    found: list[person_candidates.Candidate],
) -> list[person_candidates.Candidate]:
    """Non-maximum suppression: plausible bodies, best first, without shared regions."""
    chosen: list[person_candidates.Candidate] = []
    taken: set[int] = set()
    for body in sorted(found, key=lambda b: b.score, reverse=True):
        members = set(body.regions.tolist())
        if body.score > _MIN_SCORE and not members & taken:
            chosen.append(body)
            taken |= members
    return chosen
