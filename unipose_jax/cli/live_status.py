"""Frames per second and latency of `--mode=live`, on the standard error."""

import array
import sys
import time

import numpy as np

from data_pipelines import devices
from unipose_jax import estimator

_EVERY, _EVERY_LINE = 0.5, 10.0  # seconds, on a terminal and in a file
_RECENT = 60  # frames that the rate and the latency are of


class Status:
    """Measures frames and prints a line now and then.

    The latency is the time from a frame's arrival on this computer to its pose.
    """

    def __init__(self) -> None:
        """Starts measuring."""
        self._terminal = sys.stderr.isatty()
        self._times, self._latencies = array.array("d"), array.array("d")
        self._dropped, self._people = 0, 0
        self._shown = time.monotonic()

    def add(self, frame: devices.Frame, pose: estimator.Pose | None) -> None:
        """Counts a frame whose pose, or None for nobody, is just there."""
        now = time.monotonic()
        self._times.append(now)
        self._latencies.append(now - frame.arrived)
        self._dropped += frame.dropped
        self._people += pose is not None
        every = _EVERY if self._terminal else _EVERY_LINE
        if now - self._shown >= every:
            self._shown = now
            self._print(f"{self._rate(_RECENT)}, {_place(pose)}")

    def end(self) -> None:
        """Prints one line about all frames."""
        if not self._times:
            line = "no frame arrived"
        else:
            seconds = self._times[-1] - self._times[0]
            slow = 1000 * np.quantile(self._latencies, 0.99)
            line = (
                f"{len(self._times)} frames in {seconds:.1f} s: {self._rate()}, "
                f"{slow:.0f} ms latency (99 %)"
            )
        self._print(line)
        if self._terminal:
            print(file=sys.stderr)

    def _rate(self, recent: int = 0) -> str:
        """Rate, latency and dropped frames; of the last `recent` frames, or all."""
        times, latencies = self._times[-recent:], self._latencies[-recent:]
        middle, late = np.quantile(latencies, [0.5, 0.95]) * 1000
        rate = (len(times) - 1) / max(times[-1] - times[0], 1e-3)
        return (
            f"{rate:.1f} frames/s, latency {middle:.0f} ms (median), {late:.0f} ms "
            f"(95 %), {self._dropped} dropped"
        )

    def _print(self, line: str) -> None:
        begin, end = ("\r", "\x1b[K") if self._terminal else ("", "\n")
        print(f"{begin}{line}", end=end, file=sys.stderr, flush=True)


def _place(pose: estimator.Pose | None) -> str:
    """Whether a person is seen, and how far away."""
    if pose is None:
        return "nobody"
    return f"person at {np.median(pose.xyz[:, 2]):.1f} m"
