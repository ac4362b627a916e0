"""Parts of figures besides poses: titles, images and captions."""

import numpy as np
from jaxtyping import Num
from matplotlib import axes, figure, lines

from benchmarks.figures import canvas, views
from unipose_jax.report.draw import palette

HEADER = 68  # pixels above every picture: a line of title and one of legend
LINES, TEXT = 1.0, 6.0  # z-order; poses are between
LEGEND = {"left": palette.LEFT, "right": palette.RIGHT}


def show_image(
    ax: axes.Axes,
    image: Num[np.ndarray, "height width *rgb"],
    *,
    window: views.Limits,
    depth_range: tuple[float, float] | None = None,
) -> None:
    """Shows a colour image or a depth map; pixel (0, 0) has its corner at (0, 0).

    Args:
        ax: where.
        image: uint8 colours, or float depth in metres.
        window: (left, top, right, bottom) in pixels: the part to show.
        depth_range: (near, far) in metres that gets the contrast of a depth map.
    """
    height, width = image.shape[:2]
    if image.ndim == 2:
        image = palette.depth_rgb(image, depth_range=depth_range or (0.5, 5.0))
    upscaled = (window[2] - window[0]) * 1.5 < ax.bbox.width
    ax.imshow(
        image,
        extent=(0, width, height, 0),
        interpolation="nearest" if upscaled else "auto",
        aspect="auto",
        zorder=0,
    )
    ax.set_xlim(window[0], window[2])
    ax.set_ylim(window[3], window[1])


def titled_figure(width: int, height: int, title: str) -> figure.Figure:
    """A figure with HEADER pixels for title and legend above a free area.

    Args:
        width: of figure and area, pixels.
        height: of the area, pixels.
        title: first line of the header.
    """
    fig = canvas.new_figure(width, height + HEADER)
    canvas.write_line(fig, title, 12, 10, points=canvas.TITLE, bold=True)
    fig.legend(
        handles=[
            lines.Line2D([], [], color=color, linewidth=2.6, label=name)
            for name, color in LEGEND.items()
        ],
        loc="center left",
        bbox_to_anchor=(0.0, 1.0 - 0.72 * HEADER / (height + HEADER)),
        ncols=len(LEGEND),
        frameon=False,
        fontsize=canvas.TEXT,
        labelcolor=palette.INK,
        handlelength=1.9,
        columnspacing=1.4,
        borderaxespad=0.8,
    )
    return fig


def write_corner(ax: axes.Axes, text: str) -> None:
    """Writes a short caption in the upper left corner, on a light ground."""
    ax.annotate(
        text,
        (0.0, 1.0),
        xytext=(8, -8),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="left",
        va="top",
        fontsize=canvas.TEXT,
        color=palette.INK,
        bbox={"boxstyle": "round,pad=0.25", "fc": (1, 1, 1, 0.8), "ec": "none"},
        zorder=TEXT,
        parse_math=False,
    )
