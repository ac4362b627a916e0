"""Poses and keypoints as marks in the coordinates of given axes."""

import math

import numpy as np
from jaxtyping import Bool, Float
from matplotlib import axes, collections

from unipose_jax.report.draw import canvas, palette
from unipose_jax.skeleton import definitions

TRUTH, POSE, KEYPOINTS = 3.5, 4.0, 5.0  # z-order
PIXEL = 72.0 / canvas.DPI  # points


def draw_pose(
    ax: axes.Axes,
    xy: Float[np.ndarray, "joints 2"],
    body: definitions.Skeleton,
    *,
    confidence: Float[np.ndarray, " joints"] | None = None,
    visible: Bool[np.ndarray, " joints"] | None = None,
    nearness: Float[np.ndarray, " joints"] | None = None,
    size: float = 1.0,
) -> None:
    """Draws bones and joints by side: left orange, right blue, middle dark.

    Args:
        ax: where.
        xy: joints in the axes' coordinates; one that is NaN is left out with its bones.
        body: the skeleton.
        confidence: in [0, 1]; small and faint where low. All 1 where absent.
        visible: False makes a joint hollow.
        nearness: what is nearer to the viewer is drawn later; any unit.
        size: multiplies widths; 1 suits a panel of 600 pixels or more.
    """
    strength = _strength(confidence, len(xy))
    colors = palette.bone_colors(body)
    segments, paints, widths = [], [], []
    for bone in _drawing_order(xy, body, nearness):
        ends = list(body.bones[bone])
        alpha = float(strength[ends].min())
        segments += [xy[ends], xy[ends]]
        paints += [(*palette.WHITE, 0.85 * alpha), (*colors[bone], alpha)]
        widths += [7.5 * size * PIXEL, 4.5 * size * PIXEL]
    ax.add_collection(
        collections.LineCollection(
            segments,
            colors=paints,
            linewidths=widths,
            capstyle="round",
            zorder=POSE,
        ),
        autolim=False,
    )
    _draw_joints(ax, xy, body, strength=strength, visible=visible, size=size)


def draw_truth(
    ax: axes.Axes,
    xy: Float[np.ndarray, "joints 2"],
    body: definitions.Skeleton,
    *,
    on_image: bool,
    size: float = 1.0,
) -> None:
    """Draws the true bones dashed, in a shade of the side's colour.

    Args:
        ax: where.
        xy: joints in the axes' coordinates; NaN is left out.
        body: the skeleton.
        on_image: light shades with a dark rim, for images; dark shades otherwise.
        size: multiplies widths.
    """
    shade = palette.lighter if on_image else palette.darker
    chosen = _drawing_order(xy, body, None)
    segments = [xy[list(body.bones[bone])] for bone in chosen]
    colors = palette.bone_colors(body)
    layers = [([shade(colors[bone]) for bone in chosen], 2.6)]
    if on_image:
        layers.insert(0, ([palette.INK for _ in chosen], 4.6))
    for paints, width in layers:
        points = width * size * PIXEL
        gap = 2.2 * 2.2 * size * PIXEL
        ax.add_collection(
            collections.LineCollection(
                segments,
                colors=paints,
                linewidths=points,
                linestyles=[(0.0, (1.3 * gap / points, gap / points))],
                zorder=TRUTH,
            ),
            autolim=False,
        )


def draw_keypoints(
    ax: axes.Axes,
    uv: Float[np.ndarray, "joints 2"],
    *,
    confidence: Float[np.ndarray, " joints"] | None = None,
    size: float = 1.0,
) -> None:
    """Draws detected 2D keypoints as yellow crosses, faint at low confidence.

    Args:
        ax: where.
        uv: pixels; NaN is left out.
        confidence: in [0, 1]; a keypoint of confidence 0 is left out.
        size: multiplies widths.
    """
    strength = np.ones(len(uv)) if confidence is None else confidence
    shown = np.all(np.isfinite(uv), axis=-1) & (np.nan_to_num(strength) > 0.0)
    alpha = 0.25 + 0.75 * np.clip(strength[shown], 0.0, 1.0)
    for color, width, length in ((palette.INK, 4.0, 13.0), (palette.KEYPOINT, 2.0, 12)):
        ax.scatter(
            uv[shown, 0],
            uv[shown, 1],
            s=(length * size * PIXEL) ** 2,
            marker="x",
            color=[(*color, float(a)) for a in alpha],
            linewidths=width * size * PIXEL,
            zorder=KEYPOINTS,
        )


def _strength(
    confidence: Float[np.ndarray, " joints"] | None, joints: int
) -> Float[np.ndarray, " joints"]:
    """Opacity: 1 for certain joints, a quarter for the least certain ones."""
    if confidence is None:
        return np.ones(joints)
    return 0.25 + 0.75 * np.clip(np.nan_to_num(confidence.astype(np.float64)), 0, 1)


def _drawing_order(
    xy: Float[np.ndarray, "joints 2"],
    body: definitions.Skeleton,
    nearness: Float[np.ndarray, " joints"] | None,
) -> list[int]:
    """The bones with two valid ends, far ones first."""
    finite = np.all(np.isfinite(xy), axis=-1)
    near = np.zeros(len(xy)) if nearness is None else nearness
    chosen = [i for i, ends in enumerate(body.bones) if finite[list(ends)].all()]
    return sorted(chosen, key=lambda i: math.fsum(near[list(body.bones[i])]))


def _draw_joints(
    ax: axes.Axes,
    xy: Float[np.ndarray, "joints 2"],
    body: definitions.Skeleton,
    *,
    strength: Float[np.ndarray, " joints"],
    visible: Bool[np.ndarray, " joints"] | None,
    size: float,
) -> None:
    finite = np.all(np.isfinite(xy), axis=-1)
    shown = np.ones(len(xy), bool) if visible is None else visible
    colors = palette.joint_colors(body)
    edges, faces = [], []
    for joint in np.flatnonzero(finite):
        color, alpha = colors[joint], float(strength[joint])
        filled = bool(shown[joint])
        edges.append((*(palette.WHITE if filled else color), alpha))
        faces.append((*(color if filled else palette.WHITE), alpha))
    ax.scatter(
        xy[finite, 0],
        xy[finite, 1],
        s=((6.0 + 7.0 * strength[finite]) * size * PIXEL) ** 2,
        c=faces,
        edgecolors=edges,
        linewidths=1.8 * size * PIXEL,
        zorder=POSE + 0.2,
    )
