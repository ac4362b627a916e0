"""Times of the frames of a recording, and a check of their unit."""

from collections.abc import Sequence

import numpy as np

from unipose_jax import errors

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}  # seconds
_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
_NAMES |= {"ns": "nanoseconds"}
# Frames per second. The slowest are stills every ten seconds, the fastest the 300 fps
# of a RealSense D400.
MIN_RATE, MAX_RATE = 0.1, 320.0
# Where a rate in another unit lies in this range, that unit is named.
_USUAL_RATE = (0.9, 250.0)


def frame_times(
    time: np.ndarray | None,
    fps: float | None,
    frames: Sequence[int],
    where: str,
    *,
    unit: str | None = None,
) -> np.ndarray:
    """Seconds since the first frame, from times or from frame numbers and a rate.

    Args:
        time: time of each frame, in `unit`; None to use `fps`.
        fps: frames per second.
        frames: numbers of the frames, ascending.
        where: origin of the times, for messages.
        unit: a key of `UNITS`. None: seconds, which are checked against what cameras
            do.

    Raises:
        errors.BadInput: there are several frames and neither times nor a rate, or the
            times do not increase, or their unit is another one.
    """
    if time is None:
        if fps is None and len(frames) > 1:
            raise errors.BadInput(f"{where} has neither 'fps' nor 'time'")
        return (np.asarray(frames) - frames[0]) / (fps or 1.0)
    if time.shape != (len(frames),):
        raise errors.BadInput(
            f"{where}: 'time' has {time.size} entries for {len(frames)} frames"
        )
    steps = np.diff(time)
    if (steps <= 0).any():
        place = int((steps <= 0).argmax())
        raise errors.BadInput(
            f"{where}: 'time' does not increase: {time[place + 1]:.15g} follows "
            f"{time[place]:.15g} at frame {frames[place + 1]}"
        )
    if len(steps):
        _check_unit(steps, unit, where)
        if unit is None and (steps == 1).all() and len(steps) > 1:
            errors.warn(
                f"{where}: 'time' counts 0, 1, 2, ...; it is taken as seconds. If "
                "these are frame numbers, give 'fps' instead; if not, add "
                '"time_unit": "s"'
            )
    return (time - time[0]) * UNITS[unit or "s"]


def check_rate(fps: float, where: str) -> None:
    """Checks that a rate is one of a camera.

    Raises:
        errors.BadInput: it is not; where it seems to be a period, the message says so.
    """
    if MIN_RATE <= fps <= MAX_RATE:
        return
    guess = ""
    if _is_usual(1 / fps):
        guess = f"; {fps:g} s between frames are 'fps' {1 / fps:.3g}"
    elif _is_usual(fps / 1000):
        guess = f"; is it {fps / 1000:.4g}?"
    raise errors.BadInput(
        f"{where}: 'fps' {fps:g} is no frame rate of a camera "
        f"({MIN_RATE:g} to {MAX_RATE:g} frames per second){guess}"
    )


def _check_unit(steps: np.ndarray, unit: str | None, where: str) -> None:
    """Raises if the median step between frames is not one of a camera."""
    step = float(np.median(steps))
    rate = 1 / (step * UNITS[unit or "s"])
    if unit == "s" and rate < MIN_RATE or MIN_RATE <= rate <= MAX_RATE:
        steady = np.mean(np.abs(steps - step) < 0.1 * step) > 0.8
        # 120 to 240 fps in milliseconds look like this; stills are not as regular.
        if unit is None and rate < 0.25 and steady and len(steps) > 2:
            errors.warn(
                f"{where}: the frames are {step:.3g} s apart (median). If 'time' is "
                'in milliseconds, add "time_unit": "ms"; if it is right, add '
                '"time_unit": "s"'
            )
        return
    fitting = [name for name, size in UNITS.items() if _is_usual(1 / (step * size))]
    advice = " or ".join(
        f'in {_NAMES[name]} ("time_unit": "{name}"; '
        f"{1 / (step * UNITS[name]):.3g} frames per second)"
        for name in fitting
    )
    given = _NAMES[unit or "s"]
    raise errors.BadInput(
        f"{where}: 'time' in {given} means {rate:.3g} frames per second (median step "
        f"{step:.6g}), which no camera does"
        + (f"; it seems to be {advice}" if advice else "")
    )


def _is_usual(rate: float) -> bool:
    return _USUAL_RATE[0] <= rate <= _USUAL_RATE[1]
