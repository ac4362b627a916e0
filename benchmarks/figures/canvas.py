"""Figures measured in pixels, without pyplot and its global state."""

import io

import numpy as np
from jaxtyping import UInt8
from matplotlib import axes, figure
from matplotlib.backends import backend_agg
from PIL import Image

from unipose_jax import atomic
from unipose_jax.report.draw import palette

DPI = 100
TITLE = 13.0  # points; 18 pixels
TEXT = 10.5
SMALL = 9.0

Pixels = float | int


def new_figure(width: int, height: int) -> figure.Figure:
    """A white figure of a given size in pixels."""
    result = figure.Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    backend_agg.FigureCanvasAgg(result)
    result.set_facecolor(palette.WHITE)
    return result


def size(fig: figure.Figure) -> tuple[int, int]:
    """Width and height of a figure in pixels."""
    width, height = fig.get_size_inches() * DPI
    return round(width), round(height)


def axes_at(
    fig: figure.Figure, left: Pixels, top: Pixels, width: Pixels, height: Pixels
) -> axes.Axes:
    """Axes without frame or ticks in a rectangle, pixels from the top-left corner."""
    total_width, total_height = size(fig)
    bottom = total_height - top - height
    result = fig.add_axes(
        (
            left / total_width,
            bottom / total_height,
            width / total_width,
            height / total_height,
        )
    )
    result.set_axis_off()
    return result


def chart_at(
    fig: figure.Figure, left: Pixels, top: Pixels, width: Pixels, height: Pixels
) -> axes.Axes:
    """Axes for a chart: ticks, light grid, left and bottom lines only."""
    result = axes_at(fig, left, top, width, height)
    result.set_axis_on()
    result.tick_params(labelsize=SMALL, colors=palette.INK, length=3)
    result.spines[["top", "right"]].set_visible(False)
    result.spines[["left", "bottom"]].set_color(palette.FAINT)
    result.grid(color=palette.GRID, linewidth=0.8)
    result.set_axisbelow(True)
    return result


def write_line(
    fig: figure.Figure,
    text: str,
    left: Pixels,
    top: Pixels,
    *,
    points: float = TEXT,
    bold: bool = False,
    color: palette.Color = palette.INK,
    align: str = "left",
) -> None:
    """Text whose upper corner lies at a pixel; `$` and `_` are literal."""
    width, height = size(fig)
    fig.text(
        left / width,
        1.0 - top / height,
        text,
        fontsize=points,
        fontweight="bold" if bold else "normal",
        color=color,
        ha=align,
        va="top",
        parse_math=False,
    )


def rgb(fig: figure.Figure) -> UInt8[np.ndarray, "height width 3"]:
    """The figure's pixels."""
    canvas = fig.canvas
    assert isinstance(canvas, backend_agg.FigureCanvasAgg)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save(fig: figure.Figure, path: atomic.Path) -> None:
    """Writes the figure as PNG in one step."""
    stream = io.BytesIO()
    Image.fromarray(rgb(fig)).save(stream, format="png", compress_level=6)
    atomic.write_bytes(path, stream.getvalue())
