"""Everybody in a depth video, each followed under a number of their own."""

import numpy as np
from scipy import optimize

from data_pipelines.segmentation import person_candidates, segmenter

_MIN_SCORE = 0.2  # how much like a person; where one is wanted, less is enough
_MAX_STEP = 0.6  # metres that a person may go between two frames
_MAX_UNSEEN_FRAMES = 30  # frames after which a person who is not seen is forgotten


class MultiPersonSegmenter:
    """Segments one depth map after the other: `people(depth)`.

    Where two people touch, they come out as one.
    """

    def __init__(self, rays: np.ndarray, intrinsics: np.ndarray):
        """Takes the depth camera, as `segmentation.Segmenter`."""
        self._segmenter = segmenter.Segmenter(rays, intrinsics)
        self._places: dict[int, np.ndarray] = {}  # (3,), metres, where last seen
        self._unseen: dict[int, int] = {}  # frames since
        self._next = 0

    def __call__(self, depth: np.ndarray) -> dict[int, segmenter.Segmentation]:
        """Everybody in a depth map, by number.

        Args:
            depth: (height, width), metres, 0, NaN or infinite where there is none.

        Returns:
            The same number for the same person in the next depth maps.
        """
        view = self._segmenter.analyze(depth)
        found = _without_overlaps(view.candidates)
        numbers = self._follow(np.array([b.center for b in found]).reshape(-1, 3))
        return {
            number: segmenter.extract_person(view, body)
            for number, body in zip(numbers, found, strict=True)
        }

    def _follow(self, places: np.ndarray) -> list[int]:
        """Numbers of the people at (people, 3): those of who was nearest, or new."""
        known = list(self._places)
        before = np.array([self._places[n] for n in known]).reshape(-1, 3)
        away = np.linalg.norm(places[:, None] - before, axis=-1)
        # A pair too far apart costs as much as none, so it takes nobody's place.
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
    """The likely bodies, best first, that share no region with a better one."""
    chosen: list[person_candidates.Candidate] = []
    taken: set[int] = set()
    for body in sorted(found, key=lambda b: b.score, reverse=True):
        members = set(body.regions.tolist())
        if body.score > _MIN_SCORE and not members & taken:
            chosen.append(body)
            taken |= members
    return chosen
