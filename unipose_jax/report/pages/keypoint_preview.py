"""A sheet of frames with their 2D keypoints, which shows a wrong order of joints."""

import math
import textwrap

import numpy as np
from jaxtyping import Float, Num
from matplotlib import axes, patheffects

from unipose_jax import atomic
from unipose_jax.report.draw import canvas, marks, palette, panels, views
from unipose_jax.skeleton import definitions

COLUMNS, SIDE, GAP = 3, 420, 6  # images in a row; pixels
ASPECT = 0.8  # width / height of an image
LINE = 16  # pixels of a line of joint names
LETTERS = 175  # of such a line


def draw_sheet(
    path: atomic.Path,
    images: list[np.ndarray],
    uv: Float[np.ndarray, "frames joints 2"],
    confidence: Float[np.ndarray, "frames joints"],
    *,
    body: definitions.Skeleton,
    labels: list[str],
    title: str,
) -> None:
    """Draws keypoints with their indices over images, each around its person.

    Args:
        path: PNG to write.
        images: uint8 colours (height, width, 3), or float depth (height, width) in
            metres, of any sizes.
        uv: keypoints, pixels; one that is NaN is left out with its bones. Every image
            has at least one.
        confidence: in [0, 1]; uncertain keypoints are small and faint.
        body: their skeleton.
        labels: one per image, shown in its corner.
        title: above the picture.
    """
    # A no-break space keeps a name with its index.
    names = (f"{joint}\u00a0{name}" for joint, name in enumerate(body.joints))
    lines = textwrap.wrap("   ".join(names), LETTERS)
    columns, tall = min(COLUMNS, len(images)), round(SIDE / ASPECT)
    height = math.ceil(len(images) / columns) * (tall + GAP)
    width = COLUMNS * (SIDE + GAP) - GAP
    fig = panels.titled_figure(width, height + LINE * len(lines) + GAP, title)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top = panels.HEADER + row * (tall + GAP)
        ax = canvas.axes_at(fig, column * (SIDE + GAP), top, SIDE, tall)
        _show(ax, image, uv[index])
        marks.draw_pose(ax, uv[index], body, confidence=confidence[index], size=0.7)
        _write_indices(ax, uv[index], body)
        panels.write_corner(ax, labels[index])
    for number, line in enumerate(lines):
        top = panels.HEADER + height + LINE * number
        canvas.write_line(fig, line, 12, top, points=canvas.SMALL)
    canvas.save(fig, path)


def _show(
    ax: axes.Axes,
    image: Num[np.ndarray, "height width *rgb"],
    uv: Float[np.ndarray, "joints 2"],
) -> None:
    """Shows the part of an image around keypoints."""
    known = views.finite_rows(uv)
    margin = 0.12 * float(np.ptp(known, axis=0).max()) + 4.0
    left, top, right, bottom = views.framed(known, margin=margin, aspect=ASPECT)
    depth_range = palette.person_range(image, uv) if image.ndim == 2 else None
    window = (left, top, right, bottom)
    panels.show_image(ax, image, window=window, depth_range=depth_range)


def _write_indices(
    ax: axes.Axes, uv: Float[np.ndarray, "joints 2"], body: definitions.Skeleton
) -> None:
    rim = patheffects.withStroke(linewidth=2.0, foreground=palette.WHITE)
    for joint, color in enumerate(palette.joint_colors(body)):
        if np.isfinite(uv[joint]).all():
            ax.annotate(
                str(joint),
                uv[joint],
                xytext=(4, 3),
                textcoords="offset points",
                fontsize=canvas.SMALL,
                color=color,
                path_effects=[rim],
                zorder=panels.TEXT,
            )
