"""Title and legend of figures of poses."""

from matplotlib import figure, lines

from benchmarks.figures import canvas
from unipose_jax.report.draw import palette

HEADER = 68  # pixels above every picture: a line of title and one of legend
LINES = 1.0  # z-order; poses are above
LEGEND = {"left": palette.LEFT, "right": palette.RIGHT}


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
