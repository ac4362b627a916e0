"""Which keypoint frame belongs to which depth frame."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

_MANY = 0.7  # share of the depth frames that keypoints of a slower video reach


@dataclasses.dataclass(frozen=True)
class FrameRule:
    """How keypoint frames are numbered, if not as the depth frames are.

    Without `fps` and `time`, keypoint frame `first_frame` belongs to the first depth
    frame, the next to the next. With one of them, keypoints have times, and each depth
    frame gets those that are nearest in time.
    """

    first_frame: int | None = None  # number of the first frame of the keypoints
    fps: float | None = None  # frames per second of the keypoints' video
    start: float = 0.0  # seconds from the first depth frame to `first_frame`
    time: np.ndarray | None = None  # (frames,), seconds since the first depth frame of
    # keypoint frames `first_frame`, `first_frame` + 1, ...


def assign(
    frames: Sequence[int],
    time: np.ndarray,
    found: Sequence[int],
    rule: FrameRule,
    *,
    found_time: Mapping[int, float] | None = None,
) -> dict[int, int]:
    """Assigns a keypoint frame to each depth frame.

    Args:
        frames: numbers of the depth frames, ascending.
        time: seconds of the depth frames since the first.
        found: numbers of the frames with keypoints.
        rule: how they are numbered.
        found_time: seconds of each of `found`, for files that give times and no
            numbers; the first of both is taken as the same moment.

    Returns:
        Keypoint frame of each depth frame that has one.
    """
    first = rule.first_frame or 0
    stamps: Mapping[int, float] | None = None
    if rule.time is not None:
        stamps = {first + i: float(t) for i, t in enumerate(rule.time)}
    elif rule.fps is not None:
        count = int(np.ceil((time[-1] - rule.start) * rule.fps)) + 2
        stamps = {first + i: rule.start + i / rule.fps for i in range(max(count, 1))}
    elif found_time:
        begin = min(found_time.values())
        stamps = {frame: t - begin + rule.start for frame, t in found_time.items()}
    if stamps is not None:
        return _nearest(frames, time, stamps, set(found))
    shift = 0 if rule.first_frame is None else rule.first_frame - frames[0]
    known = set(found)
    return {frame: frame + shift for frame in frames if frame + shift in known}


def describe(
    frames: Sequence[int],
    time: np.ndarray,
    found: Sequence[int],
    assigned: Mapping[int, int],
    rule: FrameRule,
) -> str:
    """One line on frames without a partner and a rule that would fit; "" if all fit.

    Args:
        frames: numbers of the depth frames, ascending.
        time: seconds of the depth frames since the first.
        found: numbers of the frames with keypoints.
        assigned: result of `assign`.
        rule: the rule used.
    """
    if not found:
        return ""
    lost = sorted(set(found) - set(assigned.values()))
    bare = len(frames) - len(assigned)
    if rule != FrameRule():
        # Frames between those of depth are expected of a faster video.
        if assigned and (rule.fps is not None or rule.time is not None):
            return ""
        advice = ""
    else:
        advice = _advice(frames, time, sorted(found))
    if not lost and not advice:
        return ""
    line = f"{len(lost)} of {len(found)} keypoint frames belong to no depth frame"
    if lost:
        line += f" (the first is {lost[0]})"
    line += f", {bare} of {len(frames)} depth frames have no keypoints"
    return line + (f"; {advice}" if advice else "")


def _nearest(
    frames: Sequence[int],
    time: np.ndarray,
    stamps: Mapping[int, float],
    known: set[int],
) -> dict[int, int]:
    """The keypoint frame nearest in time, within half a frame of the slower video."""
    numbers = np.array(sorted(stamps))
    moments = np.array([stamps[n] for n in numbers])
    order = np.argsort(moments, kind="stable")
    numbers, moments = numbers[order], moments[order]
    steps = [np.median(np.diff(t)) for t in (moments, time) if len(t) > 1]
    reach = 0.5 * max(steps, default=0.0) + 1e-6
    place = np.clip(np.searchsorted(moments, time), 1, max(len(moments) - 1, 1))
    before = np.minimum(place, len(moments) - 1)
    choice = np.where(
        np.abs(moments[place - 1] - time) <= np.abs(moments[before] - time),
        place - 1,
        before,
    )
    return {
        frame: int(numbers[index])
        for frame, moment, index in zip(frames, time, choice, strict=True)
        if abs(moments[index] - moment) <= reach and int(numbers[index]) in known
    }


def _advice(frames: Sequence[int], time: np.ndarray, found: Sequence[int]) -> str:
    """A rule that would give more frames a partner, as camera.json writes it; or ""."""
    known, first, last = set(frames), frames[0], frames[-1]
    lost = [frame for frame in found if frame not in known]
    shift = 1 if found[0] == first + 1 else found[0] - first
    fits = sum(frame - shift in known for frame in found)
    if shift and fits == len(found) and (lost or found[-1] - first == len(frames)):
        return (
            f"keypoint frames are {found[0]} to {found[-1]}, depth frames {first} to "
            f"{last}: if the first of both belong together, write "
            f'"keypoints": {{"first_frame": {first + shift}}} in camera.json'
        )
    rate = (len(frames) - 1) / time[-1] if len(frames) > 1 and time[-1] > 0 else 0.0
    ratio = (found[-1] + 1) / (last + 1)
    slower = not lost and ratio < _MANY and _is_dense(found)
    if rate and (slower or (lost and ratio > 1.0)):
        return (
            f"if they are of a video of {rate * ratio:.3g} frames per second, write "
            f'"keypoints": {{"fps": {rate * ratio:.3g}}} in camera.json'
        )
    return ""


def _is_dense(found: Sequence[int]) -> bool:
    """Whether a video was seen from its start, nearly without gaps."""
    return found[0] <= 1 and len(found) > 0.8 * (found[-1] + 1) and len(found) > 2
