"""Charts: learning curves from the log, and errors per joint."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib import axes

from unipose_jax import atomic
from unipose_jax.report import logs, tables
from unipose_jax.report.draw import canvas, palette
from unipose_jax.skeleton import definitions

VALIDATION = ("mpjpe_mm", "map_10cm")
HALFLIFE = 10.0  # log entries, of the smoothed training curves


def draw_curves(
    path: atomic.Path,
    records: Sequence[logs.Record],
    *,
    validation: Sequence[str] = VALIDATION,
    title: str = "Learning curves",
    width: int = 1280,
) -> None:
    """Draws training losses and validation metrics against the step.

    Losses are the scalars `loss/...` of the split "train", smoothed, with the raw total
    behind them. Terms that are always 0 are omitted. A panel without data has a note.

    Args:
        path: PNG to write.
        records: what `logs.read_log` returned; may be empty.
        validation: metrics of the split "validation", one panel each.
        title: above the charts.
        width: of the PNG, pixels.
    """
    fig = canvas.new_figure(width, 440)
    canvas.write_line(fig, title, 14, 12, points=canvas.TITLE, bold=True)
    panel = (width - 20) / (len(validation) + 1.6)
    wide = panel * 1.6
    ax = canvas.chart_at(fig, 72, 78, wide - 88 - 120, 300)
    _draw_losses(ax, records)
    for index, name in enumerate(validation):
        left = wide + index * panel + 68
        ax = canvas.chart_at(fig, left, 78, panel - 84, 300)
        _draw_metric(ax, records, name, palette.series_color(index))
    canvas.save(fig, path)


def draw_joint_errors(
    path: atomic.Path,
    rows: Mapping[str, Float[np.ndarray, "*seeds joints"]],
    *,
    skeleton: str,
    value: tables.Column = tables.JOINT_ERROR,
    title: str = "Error per joint",
    width: int = 1000,
) -> None:
    """Draws one group of bars per joint, one bar per row, with the spread over seeds.

    Args:
        path: PNG to write.
        rows: run name -> figure per joint, over leading axes (seeds) if there are any;
            a joint that is NaN has no bar.
        skeleton: name of the skeleton that orders the joints.
        value: how the figure is shown.
        title: above the chart.
        width: of the PNG, pixels.
    """
    joints = definitions.by_name(skeleton).joints
    thick = max(26, 15 * len(rows) + 8)
    height = thick * len(joints)
    fig = canvas.new_figure(width, height + 120)
    canvas.write_line(fig, title, 14, 12, points=canvas.TITLE, bold=True)
    ax = canvas.chart_at(fig, 150, 66, width - 200, height)
    table = tables.joint_table(rows, skeleton=skeleton, value=value)
    places = np.arange(len(joints), dtype=np.float64)
    share = 0.8 / max(len(rows), 1)
    for index, name in enumerate(rows):
        cells = [cells[index] for _, cells in table.rows]
        offset = (index - (len(rows) - 1) / 2) * share
        _draw_bars(ax, places + offset, cells, value, name, share, index)
    ax.set_yticks(places, [tables.joint_label(joint) for joint in joints])
    ax.set_ylim(len(joints) - 0.5, -0.5)
    ax.set_xlim(0, 1.12 * ax.get_xlim()[1])
    ax.set_xlabel(value.heading, fontsize=canvas.TEXT, color=palette.INK)
    ax.grid(visible=False, axis="y")
    if len(rows) > 1:
        ax.legend(
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=len(rows),
            frameon=False,
            fontsize=canvas.TEXT,
        )
    canvas.save(fig, path)


def _draw_losses(ax: axes.Axes, records: Sequence[logs.Record]) -> None:
    ax.set_title("training losses", loc="left", fontsize=canvas.TEXT)
    names = [n for n in logs.scalar_names(records, split="train") if n[:5] == "loss/"]
    curves = {name: logs.series(records, name, split="train") for name in names}
    curves = {n: c for n, c in curves.items() if (np.nan_to_num(c[1]) > 0.0).any()}
    if not curves:
        _say_empty(ax)
        return
    total = curves.get("loss/total")
    if total is not None:
        ax.plot(*total, color=palette.MIDDLE, linewidth=0.8, alpha=0.25)
    terms = [name for name in curves if name != "loss/total"]
    for index, name in enumerate(terms):
        _plot_smoothed(ax, curves[name], name[5:], palette.series_color(index), index)
    if total is not None:
        _plot_smoothed(ax, total, "total", palette.INK, 0, linewidth=2.6)
    ax.set_yscale("log")
    ax.set_xlabel("step", fontsize=canvas.TEXT, color=palette.INK)
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        fontsize=canvas.SMALL,
        handlelength=1.6,
    )


def _plot_smoothed(
    ax: axes.Axes,
    curve: tuple[Float[np.ndarray, " steps"], Float[np.ndarray, " steps"]],
    label: str,
    color: palette.Color,
    index: int,
    *,
    linewidth: float = 1.7,
) -> None:
    steps, values = curve
    smooth = logs.smoothed(values, halflife=HALFLIFE)
    ax.plot(
        steps,
        np.where(smooth > 0.0, smooth, np.nan),
        color=color,
        linewidth=linewidth,
        linestyle="-" if index < len(palette.SERIES) else "--",
        label=label,
    )


def _draw_metric(
    ax: axes.Axes, records: Sequence[logs.Record], name: str, color: palette.Color
) -> None:
    shown = tables.column(name)
    ax.set_title(
        f"validation {shown.heading}", loc="left", fontsize=canvas.TEXT
    ).set_parse_math(False)
    steps, values = logs.series(records, name, split="validation")
    values = values * shown.scale
    known = np.isfinite(values)
    if not known.any():
        _say_empty(ax)
        return
    ax.plot(steps, values, color=color, linewidth=2.0, marker="o", markersize=4)
    ax.set_xlabel("step", fontsize=canvas.TEXT, color=palette.INK)
    best = np.nanargmin(values if shown.better == "lower" else -values)
    ax.plot(
        steps[best],
        values[best],
        marker="o",
        markersize=10,
        markerfacecolor="none",
        markeredgecolor=palette.INK,
    )
    ax.annotate(
        f"best {values[best]:.{shown.digits}f}",
        (0.97, 0.93 if shown.better == "lower" else 0.05),
        xycoords="axes fraction",
        ha="right",
        fontsize=canvas.TEXT,
        color=palette.INK,
    )


def _draw_bars(
    ax: axes.Axes,
    places: Float[np.ndarray, " joints"],
    cells: Sequence[tables.Spread],
    value: tables.Column,
    name: str,
    share: float,
    index: int,
) -> None:
    means = np.array([cell.mean for cell in cells]) * value.scale
    spreads = np.array([cell.deviation for cell in cells]) * value.scale
    known = np.isfinite(means)
    color = palette.series_color(index)
    ax.barh(places[known], means[known], height=share * 0.92, color=color, label=name)
    spreads = np.nan_to_num(spreads)
    ax.errorbar(
        means[known],
        places[known],
        xerr=spreads[known],
        fmt="none",
        ecolor=palette.INK,
        elinewidth=1.2,
    )
    for place, cell, mean, extra in zip(places, cells, means, spreads, strict=True):
        if np.isfinite(mean):
            ax.annotate(
                tables.cell_text(cell, value),
                (mean + extra, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=canvas.SMALL,
                color=palette.INK,
            )


def _say_empty(ax: axes.Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(
        0.5,
        0.5,
        "nothing logged",
        transform=ax.transAxes,
        ha="center",
        color=palette.FAINT,
        fontsize=canvas.TEXT,
    )
