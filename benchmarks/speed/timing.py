"""Repeated timing of a function, and its median and spread."""

import contextlib
import contextvars
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

REPEATS = 5
"""Least number of repeats of a function."""

TRACED = 3
"""Calls in a trace, after the timed ones."""

Clock = Callable[[], float]
_traces = contextvars.ContextVar[pathlib.Path | None]("traces", default=None)


class Skipped(Exception):
    """A row cannot be measured here; the message says why."""


class Times(NamedTuple):
    """Seconds of each repeat."""

    wall: Sequence[float]
    cpu: Sequence[float]  # of all threads of the process


@dataclasses.dataclass(frozen=True)
class Measured:
    """A row: median over the repeats.

    Attributes:
        unit: of `median` and `spread`: "frames/s", or "s".
        shapes: what was computed; rows with other shapes are not compared.
        median: over the repeats.
        spread: interquartile range.
        repeats: their number.
        cpu: median CPU time of one frame, clip, step, or of the whole; seconds.
    """

    unit: str
    shapes: str
    median: float
    spread: float
    repeats: int
    cpu: float


def repeat(
    call: Callable[[], Any],
    *,
    repeats: int = REPEATS,
    warm_up: int = 1,
    wall: Clock = time.perf_counter,
    cpu: Clock = time.process_time,
) -> Times:
    """Times a function after calls that compile it.

    Args:
        call: function; the arrays that it returns are waited for.
        repeats: timed calls.
        warm_up: calls before them.
        wall: clock, seconds.
        cpu: clock of the process, seconds.
    """
    for _ in range(warm_up):
        jax.block_until_ready(call())
    walls, cpus = [], []
    for _ in range(max(repeats, REPEATS)):
        begun = wall(), cpu()
        jax.block_until_ready(call())
        walls.append(wall() - begun[0])
        cpus.append(cpu() - begun[1])
    if folder := _traces.get():
        with jax.profiler.trace(folder, create_perfetto_trace=True):
            for _ in range(TRACED):
                jax.block_until_ready(call())
    return Times(walls, cpus)


@contextlib.contextmanager
def traced(folder: pathlib.Path | None) -> Iterator[None]:
    """Within it, `repeat` traces some calls after the timed ones; None traces none."""
    token = _traces.set(folder)
    try:
        yield
    finally:
        _traces.reset(token)


def rate(times: Times, amount: float, unit: str, shapes: str) -> Measured:
    """Amount per second.

    Args:
        times: of the repeats.
        amount: of frames, clips or steps in each repeat.
        unit: "frames/s".
        shapes: of `Measured`.
    """
    cpu = float(np.median(times.cpu)) / amount
    return _measured(amount / np.asarray(times.wall), unit, shapes, cpu)


def duration(times: Times, shapes: str) -> Measured:
    """Seconds of a whole."""
    return _measured(np.asarray(times.wall), "s", shapes, float(np.median(times.cpu)))


def _measured(values: np.ndarray, unit: str, shapes: str, cpu: float) -> Measured:
    low, median, high = np.percentile(values, [25, 50, 75])
    return Measured(unit, shapes, float(median), float(high - low), len(values), cpu)
