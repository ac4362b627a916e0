"""Parts of figures besides poses: titles, images, clouds, floors and scales."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Num
from matplotlib import axes, collections, figure, lines, patches

from unipose_jax.report.draw import canvas, marks, palette, views

HEADER = 68  # pixels above every picture: a line of title and one of legend
FLOOR, CLOUD, TEXT = 1.0, 2.0, 6.0  # z-order; poses are between
LEGEND: dict[str, tuple[palette.Color, Any, str]] = {  # colour, line, marker
    "left": (palette.LEFT, "-", ""),
    "right": (palette.RIGHT, "-", ""),
    "truth": (palette.FAINT, "--", ""),
    "not visible": (palette.FAINT, "", "o"),
    "2D keypoint": (palette.KEYPOINT_DARK, "", "x"),
    "distance to ray": (palette.ERROR, "-", ""),
}


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


def frame_scene(ax: axes.Axes, limits: views.Limits) -> None:
    """Sets axes to (left, low, right, high) in metres and tints their ground."""
    ax.set_xlim(limits[0], limits[2])
    ax.set_ylim(limits[1], limits[3])
    ax.add_patch(
        patches.Rectangle((0, 0), 1, 1, transform=ax.transAxes, fc=palette.PANEL)
    )


def draw_cloud(
    ax: axes.Axes,
    points: Float[np.ndarray, "points 3"],
    view: views.View,
    *,
    size: float = 1.0,
) -> None:
    """Draws a point cloud, dark where near to the viewer.

    Args:
        ax: where.
        points: metres, camera frame; NaN is left out, and what the axes do not show.
        view: where the viewer stands.
        size: multiplies the dots.
    """
    plane = views.plane_from_xyz(views.finite_rows(points), view)
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    inside = (plane[:, 0] > left) & (plane[:, 0] < right)
    inside &= (plane[:, 1] > low) & (plane[:, 1] < high)
    plane = plane[inside]
    plane = plane[np.argsort(plane[:, 2])]
    if len(plane) == 0:
        return
    back, front = np.percentile(plane[:, 2], (2, 98))
    share = np.clip((plane[:, 2:] - back) / max(front - back, 1e-6), 0.0, 1.0)
    near, far = np.array(palette.CLOUD_NEAR), np.array(palette.CLOUD_FAR)
    ax.scatter(
        plane[:, 0],
        plane[:, 1],
        s=(3.2 * size * marks.PIXEL) ** 2,
        c=far + share * (near - far),
        linewidths=0,
        zorder=CLOUD,
    )


def draw_floor(
    ax: axes.Axes,
    shown: Float[np.ndarray, "rows 3"],
    view: views.View,
    *,
    spacing: float = 0.5,
    reach: int = 3,
) -> None:
    """Draws a square grid under the lowest of some points, and names its spacing.

    Args:
        ax: where.
        shown: metres, camera frame; the grid lies under them.
        view: where the viewer stands.
        spacing: between grid lines, metres.
        reach: grid lines on each side of the middle.
    """
    x, z = np.round(np.median(shown[:, ::2], axis=0) / spacing) * spacing
    y = float(shown[:, 1].max()) + 0.04
    span = spacing * reach
    steps = np.linspace(-span, span, 2 * reach + 1)
    rows = [[(x - span, y, z + s), (x + span, y, z + s)] for s in steps]
    rows += [[(x + s, y, z - span), (x + s, y, z + span)] for s in steps]
    plane = views.plane_from_xyz(np.array(rows, dtype=np.float64), view)
    ax.add_collection(
        collections.LineCollection(
            list(plane[..., :2]), colors=[palette.GRID], linewidths=0.9, zorder=FLOOR
        ),
        autolim=False,
    )


def draw_scale(ax: axes.Axes) -> None:
    """Draws a bar of known length, 0.5 m or 0.2 m, in the lower right corner."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    length = 0.5 if right - left > 1.5 else 0.2
    x = right - 0.04 * (right - left)
    y = low + 0.05 * (high - low)
    ax.plot([x - length, x], [y, y], color=palette.INK, linewidth=2.0, zorder=TEXT)
    ax.text(
        x - length / 2,
        y + 0.012 * (high - low),
        f"{length:g} m",
        ha="center",
        va="bottom",
        fontsize=canvas.SMALL,
        color=palette.INK,
    )


def titled_figure(
    width: int, height: int, title: str, *, keys: Sequence[str] = ()
) -> figure.Figure:
    """A figure with HEADER pixels for title and legend above a free area.

    Args:
        width: of figure and area, pixels.
        height: of the area, pixels.
        title: first line of the header.
        keys: the marks that the second line explains besides left and right: any of
            "truth", "not visible", "2D keypoint", "distance to ray".
    """
    fig = canvas.new_figure(width, height + HEADER)
    canvas.write_line(fig, title, 12, 10, points=canvas.TITLE, bold=True)
    fig.legend(
        handles=[_legend_key(name) for name in ("left", "right", *keys)],
        loc="center left",
        bbox_to_anchor=(0.0, 1.0 - 0.72 * HEADER / (height + HEADER)),
        ncols=len(keys) + 2,
        frameon=False,
        fontsize=canvas.TEXT,
        labelcolor=palette.INK,
        handlelength=1.9,
        columnspacing=1.4,
        borderaxespad=0.8,
    )
    return fig


def pose_keys(
    *,
    truth: object = None,
    visible: Bool[np.ndarray, "*shape"] | None = None,
    keypoints: object = None,
) -> list[str]:
    """The legend keys for what a picture was given; absent values need none."""
    hidden = visible is not None and not visible.all()
    asked = {
        "truth": truth is not None,
        "not visible": hidden,
        "2D keypoint": keypoints is not None,
    }
    return [key for key, shown in asked.items() if shown]


def _legend_key(name: str) -> lines.Line2D:
    color, linestyle, marker = LEGEND[name]
    return lines.Line2D(
        [],
        [],
        color=color,
        linestyle=linestyle,
        linewidth=2.6,
        marker=marker,
        markersize=7,
        markeredgewidth=2,
        markerfacecolor=palette.WHITE,
        label=name,
    )


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
