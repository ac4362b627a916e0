"""Segmentation and tracking of several people in a live depth video.

For a recording, `whole_recording` uses the evidence of all frames.
"""

import numpy as np

from data_pipelines.segmentation import body_tracks, person_candidates, segmenter

_MIN_SCORE = 0.2  # least plausibility; higher than for a single person


class MultiPersonSegmenter:
    """Segments all people in successive depth maps: `people = segmenter(depth)`."""

    def __init__(self, rays: np.ndarray, intrinsics: np.ndarray, forget: float = 1.0):
        """Sets the depth camera.

        Args:
            rays: see `segmenter.Segmenter`.
            intrinsics: see `segmenter.Segmenter`.
            forget: seconds after which an unseen person is dropped.
        """
        self._segmenter = segmenter.Segmenter(rays, intrinsics)
        self._tracker = body_tracks.BodyTracker(forget)
        self._time = 0.0

    def __call__(
        self, depth: np.ndarray, time: float | None = None
    ) -> dict[int, segmenter.Segmentation]:
        """Segments all people in a depth map.

        Args:
            depth: (height, width), metres; 0, NaN or infinite where missing.
            time: seconds; by default a thirtieth after the previous frame.

        Returns:
            Segmentation by track number. A person keeps the number in later frames.
        """
        view = self._segmenter.analyze(depth)
        found = _without_overlaps(view.candidates)
        view = view._replace(candidates=found)
        self._time = self._time + body_tracks.FRAME_TIME if time is None else time
        numbers = self._tracker(segmenter.observe(view), self._time)
        return {
            number: segmenter.extract_person(view, body)
            for number, body in zip(numbers, found, strict=True)
        }


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
