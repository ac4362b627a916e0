"""Learning curves of one run or several, as data of interactive charts."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from unipose_jax.report import logs, tables

VALIDATION = ("mpjpe_mm", "map_10cm")
HALFLIFE = 10.0  # log entries, of the smoothed training curves
_TOTAL = "loss/total"

Line = tuple[Float[np.ndarray, " steps"], Float[np.ndarray, " steps"]]
Records = Sequence[logs.Record]


@dataclasses.dataclass(frozen=True)
class Chart:
    """Lines over training steps.

    Attributes:
        title: with the unit of the values.
        lines: steps in rising order and values there, by name.
        log: whether the values have a logarithmic axis.
    """

    title: str
    lines: Mapping[str, Line]
    log: bool = False


def of_run(records: Records) -> list[Chart]:
    """Losses of one run in a chart, smoothed, and its validation metrics.

    Terms that are always 0 are left out, as are charts without a line.
    """
    names = [n for n in logs.scalar_names(records, split="train") if n[:5] == "loss/"]
    names.sort(key=lambda name: name != _TOTAL)
    losses = {name[5:]: _smoothed(records, name) for name in names}
    charts = [Chart("training losses, smoothed", losses, log=True)]
    for name in VALIDATION:
        shown = tables.column(name)
        line = _validation(records, name)
        title = f"validation {shown.heading}{_best(line, shown)}"
        charts.append(Chart(title, {shown.label: line}))
    return _with_lines(charts)


def _best(line: Line, shown: tables.Column) -> str:
    """The best value of a metric and its step; empty without values."""
    steps, values = line
    if not np.isfinite(values).any():
        return ""
    at = np.nanargmin(values if shown.better == "lower" else -values)
    return f": best {values[at]:.{shown.digits}f} at step {steps[at]:,.0f}"


def of_runs(runs: Mapping[str, Records]) -> list[Chart]:
    """The same charts for several runs: a line for each run, a chart for each term."""
    found = [logs.scalar_names(records, split="train") for records in runs.values()]
    names = dict.fromkeys(n for own in found for n in own if n[:5] == "loss/")
    ordered = sorted(names, key=lambda name: name != _TOTAL)
    charts = [
        Chart(
            f"validation {tables.column(name).heading}",
            {run: _validation(records, name) for run, records in runs.items()},
        )
        for name in VALIDATION
    ]
    for name in ordered:
        lines = {run: _smoothed(records, name) for run, records in runs.items()}
        charts.append(Chart(f"loss: {name[5:]}, smoothed", lines, log=True))
    return _with_lines(charts)


def pack(charts: Sequence[Chart]) -> list[dict[str, Any]]:
    """JSON of charts: the steps of all lines, and values there or null."""
    packed = []
    for chart in charts:
        steps = np.unique(np.concatenate([line[0] for line in chart.lines.values()]))
        lines = {}
        for name, (own, values) in chart.lines.items():
            known = dict(zip(own.tolist(), values.tolist(), strict=True))
            lines[name] = [_plain(known.get(step)) for step in steps.tolist()]
        packed.append(
            {"title": chart.title, "log": chart.log, "x": steps.tolist()}
            | {"names": list(lines), "lines": list(lines.values())}
        )
    return packed


def _plain(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.6g}")


def _smoothed(records: Records, name: str) -> Line:
    steps, values = logs.series(records, name, split="train")
    smooth = logs.smoothed(values, halflife=HALFLIFE)
    return steps, np.where(smooth > 0.0, smooth, np.nan)


def _validation(records: Records, name: str) -> Line:
    steps, values = logs.series(records, name, split="validation")
    return steps, values * tables.column(name).scale


def _with_lines(charts: Sequence[Chart]) -> list[Chart]:
    """Charts without lines that have no value, and without charts that have none."""
    kept = [
        dataclasses.replace(
            chart,
            lines={
                n: own for n, own in chart.lines.items() if np.isfinite(own[1]).any()
            },
        )
        for chart in charts
    ]
    return [chart for chart in kept if chart.lines]
