"""A look at the 2D keypoints of a sequence, to see a wrong order of joints at once."""

import math
import textwrap

import numpy as np
from jaxtyping import Float, Num
from matplotlib import axes, patheffects

from data_pipelines.keypoints import detections
from data_pipelines.sequences import sequence
from unipose_jax import atomic, errors
from unipose_jax.report.draw import canvas, marks, overlays, palette, panels, views
from unipose_jax.skeleton import definitions

COLUMNS, SIDE, GAP = 3, 420, 6  # images in a row; pixels
ASPECT = 0.8  # width / height of an image
LINE = 16  # pixels of a line of joint names
LETTERS = 175  # of such a line


def preview(
    opened: sequence.Sequence,
    skeleton: str,
    path: atomic.Path,
    *,
    frames: int = 6,
) -> None:
    """Draws the keypoints of a few frames over colour, or depth where there is none.

    Left orange, right blue, middle dark; every joint has its index in the skeleton, and
    the names stand below. The person is the most visible one, as training takes it
    where there are no masks. Images and keypoints are as recorded, lens distortion
    included.

    Args:
        opened: a recording or another sequence.
        skeleton: name of the skeleton to show the keypoints in.
        path: PNG to write.
        frames: most images, equally spaced among the frames with keypoints.

    Raises:
        errors.BadInput: no such skeleton, no keypoints, or a frame cannot be read.
    """
    if skeleton not in definitions.NAMES:
        raise errors.BadInput(
            f"unknown skeleton {skeleton!r}; use one of {', '.join(definitions.NAMES)}"
        )
    found = opened.keypoint_detections()
    if found is None:
        raise errors.BadInput(f"{opened.name} has no 2D keypoints to draw")
    uv, confidence = detections.track_person(found, opened.frames)
    uv, confidence = detections.convert_keypoints(
        uv, confidence, found.joints, skeleton
    )
    shown = np.flatnonzero((confidence > 0).any(axis=1))
    if not len(shown):
        raise errors.BadInput(
            f"{opened.name}: none of the 2D keypoints is of a frame, or of {skeleton}"
        )
    chosen = shown[np.linspace(0, len(shown) - 1, min(frames, len(shown))).astype(int)]
    draw_sheet(
        path,
        [_image(opened, int(index)) for index in chosen],
        uv[chosen],
        confidence[chosen],
        body=definitions.by_name(skeleton),
        labels=[f"frame {opened.frames[index]}" for index in chosen],
        title=f"{opened.name}: 2D keypoints as {skeleton}",
    )


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


def _image(opened: sequence.Sequence, index: int) -> np.ndarray:
    """Colour, or depth, or, where the keypoints' camera has neither, a blank image."""
    image = opened.color(index)
    if image is None and opened.color_camera is None:
        image = opened.depth(index)
    if image is None:
        camera = opened.keypoint_camera
        image = np.full((camera.height, camera.width, 3), 225, np.uint8)
    return image


def _show(
    ax: axes.Axes,
    image: Num[np.ndarray, "height width *rgb"],
    uv: Float[np.ndarray, "joints 2"],
) -> None:
    """Shows the part of an image around keypoints."""
    known = views.finite_rows(uv)
    margin = 0.12 * float(np.ptp(known, axis=0).max()) + 4.0
    left, top, right, bottom = views.framed(known, margin=margin, aspect=ASPECT)
    depth_range = overlays.contrast_range(image[None], uv[None])
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
