"""Poses as marks in the coordinates of given axes."""

import numpy as np
from jaxtyping import Float
from matplotlib import axes, collections

from benchmarks.figures import canvas
from unipose_jax.report.draw import palette
from unipose_jax.skeleton import definitions

POSE = 4.0  # z-order
PIXEL = 72.0 / canvas.DPI  # points


def draw_pose(
    ax: axes.Axes,
    xy: Float[np.ndarray, "joints 2"],
    body: definitions.Skeleton,
    *,
    confidence: Float[np.ndarray, " joints"] | None = None,
    size: float = 1.0,
) -> None:
    """Draws bones and joints by side: left orange, right blue, middle dark.

    Args:
        ax: where.
        xy: joints in the axes' coordinates; one that is NaN is left out with its bones.
        body: the skeleton.
        confidence: in [0, 1]; small and faint where low. All 1 where absent.
        size: multiplies widths; 1 suits a panel of 600 pixels or more.
    """
    strength = _strength(confidence, len(xy))
    colors = palette.bone_colors(body)
    segments, paints, widths = [], [], []
    for bone in _complete_bones(xy, body):
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
    _draw_joints(ax, xy, body, strength=strength, size=size)


def _strength(
    confidence: Float[np.ndarray, " joints"] | None, joints: int
) -> Float[np.ndarray, " joints"]:
    """Opacity: 1 for certain joints, a quarter for the least certain ones."""
    if confidence is None:
        return np.ones(joints)
    return 0.25 + 0.75 * np.clip(np.nan_to_num(confidence.astype(np.float64)), 0, 1)


def _complete_bones(
    xy: Float[np.ndarray, "joints 2"], body: definitions.Skeleton
) -> list[int]:
    """The bones with two valid ends."""
    finite = np.all(np.isfinite(xy), axis=-1)
    return [i for i, ends in enumerate(body.bones) if finite[list(ends)].all()]


def _draw_joints(
    ax: axes.Axes,
    xy: Float[np.ndarray, "joints 2"],
    body: definitions.Skeleton,
    *,
    strength: Float[np.ndarray, " joints"],
    size: float,
) -> None:
    finite = np.all(np.isfinite(xy), axis=-1)
    colors = palette.joint_colors(body)
    edges, faces = [], []
    for joint in np.flatnonzero(finite):
        color, alpha = colors[joint], float(strength[joint])
        edges.append((*palette.WHITE, alpha))
        faces.append((*color, alpha))
    ax.scatter(
        xy[finite, 0],
        xy[finite, 1],
        s=((6.0 + 7.0 * strength[finite]) * size * PIXEL) ** 2,
        c=faces,
        edgecolors=edges,
        linewidths=1.8 * size * PIXEL,
        zorder=POSE + 0.2,
    )
