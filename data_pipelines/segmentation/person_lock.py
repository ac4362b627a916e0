"""Choice of the person in a live depth video, with memory of the frames before."""

from collections.abc import Sequence

import numpy as np

from data_pipelines.segmentation import body_evidence, body_tracks

_KEEP = 2.0  # factor by which another body must be more evident to be chosen instead
_WAIT = 1.0  # seconds for which a hidden person is waited for
_NEAR = 1.2  # metres; the person may reappear here as a new track
_MEMORY = 60.0  # seconds for which a body that moved counts against those that did not


class PersonLock:
    """Chooses one body per frame: `index = lock(bodies, time)`.

    Keeps to the chosen body until another one is clearly more evident. A body that has
    never moved is not kept once another moves.
    """

    def __init__(self) -> None:
        """Starts without a person."""
        self._forget()

    def _forget(self) -> None:
        self._tracker = body_tracks.BodyTracker()
        self._current: body_tracks.Track | None = None
        self._highest = 0.0  # motion level of the body that moves the most
        self._time: float | None = None

    def __call__(
        self, bodies: Sequence[body_evidence.Body], time: float | None = None
    ) -> int | None:
        """Position of the person in `bodies`; None if there is none.

        Args:
            bodies: candidates of a frame.
            time: seconds, ascending; by default a thirtieth after the last frame.
        """
        before = self._time
        if time is None:
            time = 0.0 if before is None else before + body_tracks.FRAME_TIME
        if before is not None and time < before:  # another recording, or a loop
            self._forget()
            before = None
        numbers = self._tracker(bodies, time)
        tracks = [self._tracker.tracks[number] for number in numbers]
        self._highest *= np.exp(-(time - before) / _MEMORY) if before is not None else 0
        for track in tracks:
            if track.body.score > body_evidence.MIN_SCORE:
                level = body_evidence.motion_level(track.body.moved)
                self._highest = max(self._highest, level)
        self._time = time
        values = np.array([self._value(track, time) for track in tracks])
        if not len(values) or values.max() <= 0:
            return None
        chosen = int(values.argmax())
        self._current = tracks[chosen]
        return chosen

    def _value(self, track: body_tracks.Track, time: float) -> float:
        """Evidence for a visible track, given whom the frames before showed."""
        value = body_evidence.strength(track.body, self._highest)
        current = self._current
        if track is current:
            return _KEEP * value
        if current is None or current.time == time or time - current.time > _WAIT:
            return value
        last = body_evidence.strength(current.body, self._highest)
        away = np.linalg.norm(track.body.center - current.body.center)
        same = track.start > current.time and away < _NEAR
        return value if same or value > _KEEP * last else 0.0
