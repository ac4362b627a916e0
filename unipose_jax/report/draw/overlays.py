"""Poses drawn over depth maps and colour images.

Every function takes arrays and writes one PNG. `skeleton` is a name that
`definitions.by_name` knows. A joint that is NaN is left out, with its bones.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Num
from matplotlib import axes, figure

from unipose_jax import atomic
from unipose_jax.report.draw import canvas, marks, palette, panels, views
from unipose_jax.skeleton import definitions

SCALE_BAR = 92  # pixels, width of the colour scale right of a depth map
GAP = 6  # pixels between images


def draw_overlay(
    path: atomic.Path,
    image: Num[np.ndarray, "height width *rgb"],
    uv: Float[np.ndarray, "joints 2"],
    *,
    skeleton: str,
    confidence: Float[np.ndarray, " joints"] | None = None,
    visible: Bool[np.ndarray, " joints"] | None = None,
    truth_uv: Float[np.ndarray, "joints 2"] | None = None,
    keypoints: Float[np.ndarray, "joints 2"] | None = None,
    keypoint_confidence: Float[np.ndarray, " joints"] | None = None,
    depth_range: tuple[float, float] | None = None,
    zoom: bool = False,
    title: str = "",
    width: int = 960,
) -> None:
    """Draws a pose over a depth map or a colour image, the truth dashed.

    A pixel (u, v) of an image shown whole lies at (s u, panels.HEADER + s v) of the
    PNG; s is `width` (less SCALE_BAR for a depth map) over the image's width.

    Args:
        path: PNG to write.
        image: uint8 colours, or float depth in metres (0 where there is none).
        uv: predicted joints, pixels of this image; see `views.uv_from_xyz`.
        skeleton: name of the joints' skeleton.
        confidence: in [0, 1]; uncertain joints are small and faint.
        visible: False makes a joint hollow.
        truth_uv: true joints, pixels.
        keypoints: detected 2D keypoints, pixels; crosses.
        keypoint_confidence: in [0, 1]; at 0 a keypoint is left out.
        depth_range: (near, far), metres, shown in most detail; found from the joints
            where absent.
        zoom: show the person only, not the whole image.
        title: above the picture.
        width: of the PNG, pixels.
    """
    known = uv if truth_uv is None else np.concatenate([uv, truth_uv])
    window = image_window(image, known, zoom=zoom, aspect=4 / 3)
    depth_range = depth_range or contrast_range(image[None], known[None])
    keys = panels.pose_keys(truth=truth_uv, visible=visible, keypoints=keypoints)
    fig, ax = _image_figure(image, window, depth_range, title, keys, width)
    size = max(width / 950, 0.6)
    if keypoints is not None:
        marks.draw_keypoints(ax, keypoints, confidence=keypoint_confidence, size=size)
    draw_poses(
        ax,
        uv,
        definitions.by_name(skeleton),
        confidence=confidence,
        visible=visible,
        truth_uv=truth_uv,
        size=size,
    )
    canvas.save(fig, path)


def draw_contact_sheet(
    path: atomic.Path,
    images: Num[np.ndarray, "frames height width *rgb"],
    uv: Float[np.ndarray, "frames joints 2"],
    *,
    skeleton: str,
    confidence: Float[np.ndarray, "frames joints"] | None = None,
    visible: Bool[np.ndarray, "frames joints"] | None = None,
    truth_uv: Float[np.ndarray, "frames joints 2"] | None = None,
    labels: Sequence[str] = (),
    columns: int = 4,
    zoom: bool = True,
    title: str = "",
    width: int = 1280,
) -> None:
    """Draws poses over several images, row by row.

    Args:
        path: PNG to write.
        images: uint8 colours, or float depth in metres; at least one.
        uv: predicted joints, pixels.
        skeleton: name of the joints' skeleton.
        confidence: in [0, 1]; uncertain joints are small and faint.
        visible: False makes a joint hollow.
        truth_uv: true joints, pixels.
        labels: one per frame, shown in its corner.
        columns: images in a row.
        zoom: show the person only, in one window for all frames.
        title: above the picture.
        width: of the PNG, pixels.
    """
    body = definitions.by_name(skeleton)
    columns = min(columns, len(images))
    known = uv if truth_uv is None else np.concatenate([uv, truth_uv])
    window = image_window(images[0], known.reshape(-1, 2), zoom=zoom, aspect=0.8)
    side = (width - GAP * (columns - 1)) / columns
    tall = side * (window[3] - window[1]) / (window[2] - window[0])
    height = round(math.ceil(len(images) / columns) * (tall + GAP))
    fig = panels.titled_figure(
        width, height, title, keys=panels.pose_keys(truth=truth_uv, visible=visible)
    )
    depth_range = contrast_range(images, uv)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top = panels.HEADER + row * (tall + GAP)
        ax = canvas.axes_at(fig, column * (side + GAP), top, side, tall)
        panels.show_image(ax, image, window=window, depth_range=depth_range)
        draw_poses(
            ax,
            uv[index],
            body,
            confidence=at(confidence, index),
            visible=at(visible, index),
            truth_uv=at(truth_uv, index),
            size=side / 600,
        )
        if index < len(labels):
            panels.write_corner(ax, labels[index])
    canvas.save(fig, path)


def draw_poses(
    ax: axes.Axes,
    uv: Float[np.ndarray, "joints 2"],
    body: definitions.Skeleton,
    *,
    confidence: Float[np.ndarray, " joints"] | None = None,
    visible: Bool[np.ndarray, " joints"] | None = None,
    truth_uv: Float[np.ndarray, "joints 2"] | None = None,
    size: float = 1.0,
) -> None:
    """Draws a prediction and, dashed behind it, the truth; see `marks.draw_pose`."""
    marks.draw_pose(ax, uv, body, confidence=confidence, visible=visible, size=size)
    if truth_uv is not None:
        marks.draw_truth(ax, truth_uv, body, on_image=True, size=size)


def image_window(
    image: Num[np.ndarray, "height width *rgb"],
    uv: Float[np.ndarray, "joints 2"],
    *,
    zoom: bool,
    aspect: float,
) -> views.Limits:
    """The part of an image to show, (left, top, right, bottom) in pixels.

    Args:
        image: the image.
        uv: joints, pixels.
        zoom: frame the joints that lie in the image, with a margin; else all of it.
        aspect: width / height of a zoomed window, unless the image is too small.
    """
    height, width = image.shape[:2]
    inside = np.all((uv >= 0) & (uv <= (width, height)), axis=-1)
    if not zoom or inside.sum() < 2:
        return 0.0, 0.0, float(width), float(height)
    span = float(np.ptp(uv[inside], axis=0).max())
    box = views.framed(uv[inside], margin=0.18 * span + 4.0, aspect=aspect)
    left, right = _moved_inside(box[0], box[2], width)
    top, bottom = _moved_inside(box[1], box[3], height)
    return left, top, right, bottom


def contrast_range(
    images: Num[np.ndarray, "frames height width *rgb"],
    uv: Float[np.ndarray, "frames joints 2"],
) -> tuple[float, float] | None:
    """(near, far) in metres to show in most detail in all frames; None for colour."""
    if images.ndim == 4:
        return None
    ranges = [palette.person_range(*frame) for frame in zip(images, uv, strict=True)]
    near, far = np.median(ranges, axis=0)
    return float(near), float(far)


def at(values: np.ndarray | None, index: int) -> np.ndarray | None:
    """One frame of a clip's values; None if the clip has no such values."""
    return None if values is None else values[index]


def _moved_inside(low: float, high: float, limit: int) -> tuple[float, float]:
    """Shifts an interval, and shortens it if needed, so that it lies in [0, limit]."""
    length = min(high - low, float(limit))
    low = min(max(low, 0.0), limit - length)
    return low, low + length


def _image_figure(
    image: Num[np.ndarray, "height width *rgb"],
    window: views.Limits,
    depth_range: tuple[float, float] | None,
    title: str,
    keys: Sequence[str],
    width: int,
) -> tuple[figure.Figure, axes.Axes]:
    """A figure of one image, and the axes of its pixels."""
    shown = width - SCALE_BAR if depth_range and image.ndim == 2 else width
    height = round(shown * (window[3] - window[1]) / (window[2] - window[0]))
    fig = panels.titled_figure(width, height, title, keys=keys)
    ax = canvas.axes_at(fig, 0, panels.HEADER, shown, height)
    panels.show_image(ax, image, window=window, depth_range=depth_range)
    if shown < width and depth_range:
        _draw_scale_bar(fig, shown + 14, height, depth_range)
    return fig, ax


def _draw_scale_bar(
    fig: figure.Figure, left: int, height: int, depth_range: tuple[float, float]
) -> None:
    """Explains the colours of a depth map beside it: far above, near below."""
    near, far = depth_range
    depths = np.linspace(near - 0.4, far + 1.0, 256)
    ax = canvas.axes_at(fig, left, panels.HEADER + 34, 20, height - 48)
    ax.set_axis_on()
    ax.imshow(
        palette.depth_rgb(depths[:, None], depth_range=depth_range),
        extent=(0.0, 1.0, depths[0], depths[-1]),
        origin="lower",
        aspect="auto",
    )
    ax.set_xticks([])
    ax.set_yticks(np.arange(math.ceil(depths[0] * 4) / 4, depths[-1], 0.25))
    ax.yaxis.tick_right()
    ax.tick_params(labelsize=canvas.SMALL, colors=palette.INK, length=3)
    ax.spines[:].set_visible(False)
    canvas.write_line(fig, "depth [m]", left, panels.HEADER + 8, points=canvas.SMALL)
