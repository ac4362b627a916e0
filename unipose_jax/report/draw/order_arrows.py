"""Depth order in images, drawn as arrows from far to near."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib import axes

from unipose_jax import atomic
from unipose_jax.report.draw import canvas, palette

_SIDE, _GAP, _LINE = 420, 10, 20  # pixels: width of a picture, between, of a caption


def draw_order(
    path: atomic.Path,
    pictures: Sequence[UInt8[np.ndarray, "height width 3"]],
    uv: Sequence[Float[np.ndarray, "people joints 2"]],
    confidence: Sequence[Float[np.ndarray, "people joints"]],
    labels: Sequence[Int[np.ndarray, "people people"]],
    *,
    captions: Sequence[str] = (),
) -> None:
    """Draws labelled pairs of people: an arrow leads from the farther to the nearer.

    Args:
        path: PNG to write.
        pictures: sRGB.
        uv: keypoints, pixels; where confidence is 0, not drawn.
        confidence: in [0, 1].
        labels: +1 where the first of a pair is nearer, -1 where the second is.
        captions: below the pictures.
    """
    columns = min(3, len(pictures))
    tall = max(round(_SIDE * p.shape[0] / p.shape[1]) for p in pictures)
    rows = -(-len(pictures) // columns)
    step = tall + _LINE + _GAP
    fig = canvas.new_figure(columns * (_SIDE + _GAP) + _GAP, rows * step + _GAP)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        left, top = _GAP + column * (_SIDE + _GAP), _GAP + row * step
        height = round(_SIDE * picture.shape[0] / picture.shape[1])
        area = canvas.axes_at(fig, left, top, _SIDE, height)
        area.imshow(picture, extent=(0, picture.shape[1], picture.shape[0], 0))
        _people(area, uv[index], confidence[index], labels[index])
        if captions:
            canvas.write_line(
                fig, captions[index], left, top + height + 2, points=canvas.SMALL
            )
    canvas.save(fig, path)


def _people(area: axes.Axes, uv, confidence, labels) -> None:
    """Keypoints in a colour for each person, and arrows between their middles."""
    middles = {}
    for person, (places, weight) in enumerate(zip(uv, confidence, strict=True)):
        seen = places[weight > 0]
        if len(seen):
            color = palette.series_color(person)
            area.scatter(
                seen[:, 0],
                seen[:, 1],
                s=9,
                color=color,
                edgecolors="white",
                linewidths=0.3,
            )
            middles[person] = np.median(seen, axis=0)
    for near, far in np.argwhere(np.asarray(labels) > 0):
        if near in middles and far in middles:
            area.annotate(
                "",
                xy=middles[near],
                xytext=middles[far],
                arrowprops={"arrowstyle": "-|>", "color": "white", "linewidth": 2.5},
            )
            area.annotate(
                "",
                xy=middles[near],
                xytext=middles[far],
                arrowprops={"arrowstyle": "-|>", "color": "black", "linewidth": 1.0},
            )
