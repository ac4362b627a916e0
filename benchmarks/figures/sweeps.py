"""Charts of metrics against a varied setting, with one line per run."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import axes

from benchmarks.figures import canvas
from unipose_jax import atomic
from unipose_jax.report import tables
from unipose_jax.report.draw import palette

METRICS = ("map_10cm", "mpjpe_mm")
WIDE_RATIO = 8.0  # of largest to smallest value, from which a logarithm spaces them

Values = Mapping[str, tables.Metrics]  # value of the setting -> metrics


def draw_sweep(
    path: atomic.Path,
    rows: Mapping[str, Values],
    *,
    setting: str,
    keys: Sequence[str] = METRICS,
    title: str = "",
    width: int = 1200,
) -> None:
    """Draws one panel per metric: its mean over seeds, with the standard deviation.

    Args:
        path: PNG to write.
        rows: run name -> value of the setting -> metric -> value, or values of several
            seeds; a run may lack some of the values.
        setting: what was varied, with its unit.
        keys: the metrics to show, from left to right.
        title: above the charts.
        width: of the PNG, pixels.
    """
    fig = canvas.new_figure(width, 430)
    canvas.write_line(fig, title, 14, 12, points=canvas.TITLE, bold=True)
    legend = 50 + max(8 * len(name) for name in rows)
    panel = (width - legend) / len(keys)
    for index, key in enumerate(keys):
        ax = canvas.chart_at(fig, index * panel + 60, 70, panel - 80, 290)
        _draw_metric(ax, rows, key, setting)
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        frameon=False,
        fontsize=canvas.SMALL,
    )
    canvas.save(fig, path)


def places_of(values: Sequence[str]) -> tuple[list[float], bool]:
    """Axis positions of a setting's values, and whether the axis is logarithmic.

    Numbers are placed by value, other values at equal distances.
    """
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return [float(index) for index in range(len(values))], False
    if not all(math.isfinite(number) for number in numbers):
        return [float(index) for index in range(len(values))], False
    low, high = min(numbers), max(numbers)
    return numbers, low > 0.0 and high / low >= WIDE_RATIO


def _draw_metric(
    ax: axes.Axes, rows: Mapping[str, Values], key: str, setting: str
) -> None:
    shown = tables.column(key)
    ax.set_title(shown.heading, loc="left", fontsize=canvas.TEXT).set_parse_math(False)
    values = list(dict.fromkeys(value for row in rows.values() for value in row))
    places, wide = places_of(values)
    where = dict(zip(values, places, strict=True))
    for index, (name, row) in enumerate(rows.items()):
        cells = [tables.spread(metrics.get(key, ())) for metrics in row.values()]
        ax.errorbar(
            [where[value] for value in row],
            [cell.mean * shown.scale for cell in cells],
            yerr=np.nan_to_num([cell.deviation * shown.scale for cell in cells]),
            color=palette.series_color(index),
            linewidth=2.0,
            marker="o",
            markersize=5,
            capsize=3,
            label=name,
        )
    if wide:
        ax.set_xscale("log")
    ax.set_xticks(places, values)
    ax.minorticks_off()
    ax.set_xlabel(setting, fontsize=canvas.TEXT, color=palette.INK)
