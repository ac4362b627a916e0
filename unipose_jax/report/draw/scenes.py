"""Poses and clouds in 3D, drawn in orthographic projection.

Every function takes arrays in one frame (metres, y down, as a camera has it), and
writes one PNG. Up in the picture is up in the room; both axes of a panel have the same
scale.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from matplotlib import axes, collections, figure

from unipose_jax import atomic
from unipose_jax.report.draw import canvas, marks, palette, panels, views
from unipose_jax.skeleton import definitions

GAP = 6  # pixels between panels
MARGIN = 0.15  # metres around the joints


@dataclasses.dataclass(frozen=True)
class Place:
    """A rectangle of a figure, pixels from its top-left corner."""

    left: canvas.Pixels
    top: canvas.Pixels
    width: canvas.Pixels
    height: canvas.Pixels


def draw_scene(
    path: atomic.Path,
    xyz: Float[np.ndarray, "joints 3"],
    *,
    skeleton: str,
    confidence: Float[np.ndarray, " joints"] | None = None,
    visible: Bool[np.ndarray, " joints"] | None = None,
    truth: Float[np.ndarray, "joints 3"] | None = None,
    points: Float[np.ndarray, "points 3"] | None = None,
    directions: Sequence[views.View] = (views.FRONT, views.SIDE),
    title: str = "",
    width: int = 1200,
) -> None:
    """Draws a 3D pose beside the truth, with the point cloud, from several directions.

    Rows are directions, columns prediction (with the truth dashed) and truth; without
    truth the directions stand side by side.

    Args:
        path: PNG to write.
        xyz: predicted joints, metres, camera frame.
        skeleton: name of the joints' skeleton.
        confidence: in [0, 1]; uncertain joints are small and faint.
        visible: False makes a joint hollow.
        truth: true joints, metres, camera frame.
        points: cloud, metres, camera frame; NaN is left out.
        directions: of the views, one panel each.
        title: above the picture.
        width: of the PNG, pixels.
    """
    body = definitions.by_name(skeleton)
    columns = len(directions) if truth is None else 2
    side = (width - GAP * (columns - 1)) / columns
    tall = side * 1.05
    rows = 1 if truth is None else len(directions)
    fig = panels.titled_figure(
        width,
        round(rows * (tall + GAP)),
        title,
        keys=panels.pose_keys(truth=truth, visible=visible),
    )
    shown = views.focus([xyz] if truth is None else [xyz, truth], points)
    for index, view in enumerate(directions):
        row, column = (0, index) if truth is None else (index, 0)
        top = panels.HEADER + row * (tall + GAP)
        place = Place(column * (side + GAP), top, side, tall)
        ax = scene_panel(fig, place, view, shown, points=points)
        draw_pose(ax, xyz, body, view, confidence=confidence, visible=visible)
        if truth is not None:
            marks.draw_truth(ax, _flat(truth, view), body, on_image=False)
            place = dataclasses.replace(place, left=side + GAP)
            ax = scene_panel(fig, place, view, shown, points=points, label="truth")
            draw_pose(ax, truth, body, view, visible=visible)
    canvas.save(fig, path)


def draw_rays(
    path: atomic.Path,
    xyz: Float[np.ndarray, "joints 3"],
    ray_origins: Float[np.ndarray, "*joints 3"],
    ray_dirs: Float[np.ndarray, "joints 3"],
    *,
    skeleton: str,
    confidence: Float[np.ndarray, " joints"] | None = None,
    points: Float[np.ndarray, "points 3"] | None = None,
    title: str = "",
    width: int = 1200,
) -> None:
    """Draws cloud, skeleton and the keypoints' camera rays: from afar, and close by.

    A short bar joins each joint to the nearest point of its ray: the distance that the
    point-to-ray loss makes small.

    Args:
        path: PNG to write.
        xyz: joints, metres, in the frame of the cloud.
        ray_origins: centre of the keypoint camera, or one origin per joint, metres.
        ray_dirs: unit vectors; a ray that is NaN is left out.
        skeleton: name of the joints' skeleton.
        confidence: in [0, 1]; uncertain joints are small and faint.
        points: cloud, metres; NaN is left out.
        title: above the picture.
        width: of the PNG, pixels.
    """
    body = definitions.by_name(skeleton)
    origins = np.broadcast_to(ray_origins, ray_dirs.shape)
    side = (width - GAP) / 2
    wide = round(0.42 * width)
    fig = panels.titled_figure(
        width, round(wide + GAP + side), title, keys=["distance to ray"]
    )
    close = views.focus([xyz], points)
    whole = np.concatenate([close, views.finite_rows(origins)])
    top = panels.HEADER + wide + GAP
    for place, view, shown, size in (
        (Place(0, panels.HEADER, width, wide), views.OBLIQUE, whole, 0.6),
        (Place(0, top, side, side), views.FRONT, close, 1.0),
        (Place(side + GAP, top, side, side), views.SIDE, close, 1.0),
    ):
        ax = scene_panel(fig, place, view, shown, points=points, size=size)
        _draw_ray_lines(ax, xyz, origins, ray_dirs, body, view)
        draw_pose(ax, xyz, body, view, confidence=confidence, size=size)
    canvas.save(fig, path)


def scene_panel(
    fig: figure.Figure,
    place: Place,
    view: views.View,
    shown: Float[np.ndarray, "rows 3"],
    *,
    points: Float[np.ndarray, "points 3"] | None = None,
    label: str = "",
    size: float = 1.0,
) -> axes.Axes:
    """A panel that frames some points: floor grid, cloud, scale and a caption.

    Args:
        fig: the figure.
        place: where in it.
        view: direction of the view.
        shown: metres; the panel is just large enough for them and a margin.
        points: cloud, metres.
        label: caption before the name of the view.
        size: multiplies the dots of the cloud.
    """
    ax = canvas.axes_at(fig, place.left, place.top, place.width, place.height)
    plane = views.plane_from_xyz(shown, view)
    limits = views.framed(plane, margin=MARGIN, aspect=place.width / place.height)
    panels.frame_scene(ax, limits)
    panels.draw_floor(ax, shown, view)
    if points is not None:
        panels.draw_cloud(ax, points, view, size=size)
    panels.draw_scale(ax)
    panels.write_corner(ax, f"{label}, {view.name}" if label else view.name)
    return ax


def draw_pose(
    ax: axes.Axes,
    xyz: Float[np.ndarray, "joints 3"],
    body: definitions.Skeleton,
    view: views.View,
    *,
    confidence: Float[np.ndarray, " joints"] | None = None,
    visible: Bool[np.ndarray, " joints"] | None = None,
    size: float = 1.0,
) -> None:
    """Draws a 3D pose, near bones over far ones; see `marks.draw_pose`."""
    plane = views.plane_from_xyz(xyz, view)
    marks.draw_pose(
        ax,
        plane[:, :2],
        body,
        confidence=confidence,
        visible=visible,
        nearness=plane[:, 2],
        size=size,
    )


def _flat(
    xyz: Float[np.ndarray, "*rows 3"], view: views.View
) -> Float[np.ndarray, "*rows 2"]:
    return views.plane_from_xyz(xyz, view)[..., :2]


def _draw_ray_lines(
    ax: axes.Axes,
    xyz: Float[np.ndarray, "joints 3"],
    origins: Float[np.ndarray, "joints 3"],
    ray_dirs: Float[np.ndarray, "joints 3"],
    body: definitions.Skeleton,
    view: views.View,
) -> None:
    """Rays from their origins to a little behind their joints, and the residuals."""
    along = np.maximum(np.sum((xyz - origins) * ray_dirs, axis=-1, keepdims=True), 0.0)
    closest = origins + along * ray_dirs
    ends = closest + 0.15 * ray_dirs
    known = np.all(np.isfinite(closest), axis=-1)
    colors = [c for c, k in zip(palette.joint_colors(body), known, strict=True) if k]
    for start, stop, paint, width in (
        (origins, ends, [(*color, 0.55) for color in colors], 1.0),
        (xyz, closest, [palette.ERROR], 3.0),
    ):
        ax.add_collection(
            collections.LineCollection(
                list(np.stack([_flat(start, view), _flat(stop, view)], axis=1)[known]),
                colors=paint,
                linewidths=width,
                zorder=marks.POSE - 0.5,
            ),
            autolim=False,
        )
    centers = _flat(origins, view)[known]
    ax.scatter(
        centers[:, 0], centers[:, 1], s=60, marker="s", color=palette.INK, zorder=5
    )
