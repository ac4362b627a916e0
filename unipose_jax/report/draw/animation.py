"""A clip as an animated GIF: the pose over the image, and a rotating 3D view."""

import io
import math

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import figure
from PIL import Image

from unipose_jax import atomic
from unipose_jax.report.draw import (
    canvas,
    clip_data,
    marks,
    overlays,
    palette,
    panels,
    scenes,
    views,
)
from unipose_jax.skeleton import definitions

SWING = math.radians(65.0)  # how far the 3D view turns to both sides
SCENE_WIDTH = 400  # pixels
COLORS = 96  # in the GIF's palette, besides those that are kept exactly
KEPT = (palette.LEFT, palette.RIGHT, palette.MIDDLE, palette.WHITE, palette.PANEL)


def draw_clip(
    path: atomic.Path,
    clip: clip_data.Clip,
    *,
    title: str = "",
    max_frames: int = 24,
    width: int = 960,
) -> None:
    """Writes an endless animated GIF of a clip.

    Left the depth map (or else the colour image) with the pose, right the 3D pose with
    its cloud, seen from a direction that swings to both sides once in the clip. The
    truth is dashed in both. A long clip is thinned out evenly and keeps its duration.

    Args:
        path: GIF to write.
        clip: what to show; without images the 3D view takes all the width.
        title: above the picture.
        max_frames: of the GIF.
        width: of the GIF, pixels.
    """
    clip = clip.thinned(max_frames)
    poses = [*clip.xyz] if clip.truth is None else [*clip.xyz, *clip.truth]
    shown = views.focus(poses, None if clip.points is None else clip.points[0])
    image_width = width - SCENE_WIDTH - scenes.GAP if clip.image_kinds else 0
    height = _image_height(clip, image_width)
    keys = panels.pose_keys(truth=clip.truth, visible=clip.visible)
    figures = [
        panels.titled_figure(width, height, title, keys=keys)
        for _ in range(clip.num_frames)
    ]
    if clip.image_kinds:
        _add_images(figures, clip, image_width, height)
    left = width - SCENE_WIDTH if clip.image_kinds else 0
    place = scenes.Place(left, panels.HEADER, width - left, height)
    for index, fig in enumerate(figures):
        yaw = SWING * math.sin(2.0 * math.pi * index / len(figures))
        _add_scene(fig, clip, index, place, yaw=yaw, shown=shown)
    frames = np.stack([canvas.rgb(fig) for fig in figures])
    atomic.write_bytes(path, encode_gif(frames, milliseconds=_pace(clip)))


def encode_gif(
    frames: UInt8[np.ndarray, "frames height width 3"], *, milliseconds: int
) -> bytes:
    """An endless animation with one palette for all frames.

    Args:
        frames: colours.
        milliseconds: that each frame stays; GIF counts in steps of 10.
    """
    montage = np.concatenate(frames[:: max(len(frames) // 4, 1)])
    table = Image.fromarray(montage).quantize(COLORS)
    found = (table.getpalette() or [])[: 3 * COLORS]
    # The skeleton is thin: its colours would be averaged with others.
    kept = np.rint(255 * np.array(KEPT)).astype(int).ravel().tolist()
    table.putpalette(found + kept)
    images = [
        Image.fromarray(frame).quantize(palette=table, dither=Image.Dither.NONE)
        for frame in frames
    ]
    stream = io.BytesIO()
    images[0].save(
        stream,
        format="gif",
        save_all=True,
        append_images=images[1:],
        duration=milliseconds,
        loop=0,
    )
    return stream.getvalue()


def _pace(clip: clip_data.Clip) -> int:
    """Milliseconds a frame from the clip's time stamps, 30 to 1000; 70 without any."""
    if clip.time is None or clip.num_frames < 2:
        return 70
    step = float(clip.time[-1] - clip.time[0]) / (clip.num_frames - 1)
    return round(min(max(step, 0.03), 1.0) * 100) * 10


def _image_height(clip: clip_data.Clip, width: int) -> int:
    """Height of the panels: that of the image at a given width, within reason."""
    if not clip.image_kinds:
        return 480
    tall, wide = clip.images(clip.image_kinds[0]).shape[1:3]
    return min(max(round(width * tall / wide), 360), 640)


def _add_images(
    figures: list[figure.Figure], clip: clip_data.Clip, width: int, height: int
) -> None:
    """Adds the pose over the image to each figure, in a box at the left."""
    kind = clip.image_kinds[0]
    images, uv = clip.images(kind), clip.project(clip.xyz, kind)
    truth_uv = None if clip.truth is None else clip.project(clip.truth, kind)
    tall, wide = images.shape[1:3]
    scale = min(width / wide, height / tall)
    top = panels.HEADER + (height - scale * tall) / 2
    depth_range = overlays.contrast_range(images, uv)
    for index, fig in enumerate(figures):
        left = (width - scale * wide) / 2
        ax = canvas.axes_at(fig, left, top, scale * wide, scale * tall)
        window = (0.0, 0.0, float(wide), float(tall))
        panels.show_image(ax, images[index], window=window, depth_range=depth_range)
        overlays.draw_poses(
            ax,
            uv[index],
            definitions.by_name(clip.skeleton),
            confidence=overlays.at(clip.confidence, index),
            visible=overlays.at(clip.visible, index),
            truth_uv=overlays.at(truth_uv, index),
            size=0.7,
        )


def _add_scene(
    fig: figure.Figure,
    clip: clip_data.Clip,
    index: int,
    place: scenes.Place,
    *,
    yaw: float,
    shown: Float[np.ndarray, "rows 3"],
) -> None:
    """Adds the 3D view of one frame to its figure."""
    view = views.View("3D", yaw)
    body = definitions.by_name(clip.skeleton)
    points = overlays.at(clip.points, index)
    ax = scenes.scene_panel(fig, place, view, shown, points=points, size=0.8)
    scenes.draw_pose(
        ax,
        clip.xyz[index],
        body,
        view,
        confidence=overlays.at(clip.confidence, index),
        visible=overlays.at(clip.visible, index),
        size=0.8,
    )
    if clip.truth is not None:
        plane = views.plane_from_xyz(clip.truth[index], view)
        marks.draw_truth(ax, plane[:, :2], body, on_image=False, size=0.8)
