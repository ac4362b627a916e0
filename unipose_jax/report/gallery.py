"""The images of a report and their captions."""

import pathlib
import re
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from unipose_jax.report import learning_curves, logs, page
from unipose_jax.report.draw import animation, clip_data, overlays, scenes

FIGURES = "figures"  # folder below that of the page
KINDS = {"depth": "depth map", "color": "colour image"}


def curve_figures(
    folder: pathlib.Path, records: Sequence[logs.Record]
) -> list[page.Figure]:
    """Figure of the learning curves; an empty list if there are no records."""
    if not records:
        return []
    path = folder / FIGURES / "curves.png"
    learning_curves.draw_curves(path, records)
    caption = (
        "Training losses (logarithmic, smoothed; the raw total behind them) and "
        "validation metrics, the best one circled."
    )
    return [page.Figure(path, caption)]


def joint_figures(
    folder: pathlib.Path,
    rows: Mapping[str, Float[np.ndarray, "*seeds joints"]],
    *,
    skeleton: str,
) -> list[page.Figure]:
    """Bar chart of the error per joint; an empty list if there are no rows."""
    if not rows:
        return []
    path = folder / FIGURES / "joint_errors.png"
    learning_curves.draw_joint_errors(path, rows, skeleton=skeleton)
    caption = (
        "Mean error of each joint; a line shows the spread over seeds, if several."
    )
    return [page.Figure(path, caption)]


def clip_figures(
    folder: pathlib.Path, clip: clip_data.Clip, *, number: int
) -> list[page.Figure]:
    """The middle frame of a clip: over its images, in 3D, and with its rays.

    Args:
        folder: folder of the page.
        clip: the clip to draw.
        number: prefix of the file names, which tells clips of the same name apart.
    """
    index = clip.num_frames // 2
    stem = _stem(folder, clip, number)
    title = frame_title(clip, index)
    figures = [
        _overlay(stem.with_name(f"{stem.name}_{kind}.png"), clip, index, kind, title)
        for kind in clip.image_kinds
    ]
    figures.append(_scene(stem.with_name(f"{stem.name}_3d.png"), clip, index, title))
    if clip.keypoints is not None:
        path = stem.with_name(f"{stem.name}_rays.png")
        figures.append(_rays(path, clip, index, title))
    return figures


def animation_figures(
    folder: pathlib.Path, clip: clip_data.Clip, *, number: int
) -> list[page.Figure]:
    """A clip as animation and, if it has images, contact sheet; see `clip_figures`."""
    stem = _stem(folder, clip, number)
    path = stem.with_name(f"{stem.name}.gif")
    animation.draw_clip(path, clip, title=clip.name)
    caption = f"{clip.name}: the sequence in motion; the 3D view swings to both sides."
    figures = [page.Figure(path, caption)]
    for kind in clip.image_kinds[:1]:
        path = stem.with_name(f"{stem.name}_sheet.png")
        _sheet(path, clip.thinned(8), kind)
        caption = f"{clip.name}: frames of the sequence, enlarged."
        figures.append(page.Figure(path, caption))
    return figures


def frame_title(clip: clip_data.Clip, index: int) -> str:
    """Name and frame, and the mean error if the ground truth is known."""
    title = (
        clip.name
        if clip.num_frames == 1
        else f"{clip.name}, frame {clip.number(index)}"
    )
    error = frame_error_mm(clip, index)
    return title if np.isnan(error) else f"{title}: mean error {error:.0f} mm"


def frame_error_mm(clip: clip_data.Clip, index: int) -> float:
    """Mean distance to the ground truth, millimetres; NaN if no joint is known."""
    truth = clip.truth_at(index)
    if truth is None:
        return float("nan")
    distance = np.linalg.norm(clip.xyz[index] - truth, axis=-1)
    distance = distance[np.isfinite(distance)]
    return 1000.0 * float(distance.mean()) if distance.size else float("nan")


def is_small(uv: Float[np.ndarray, "joints 2"], *, height: int) -> bool:
    """Whether a person takes less than half of an image's height, pixels."""
    rows = uv[np.isfinite(uv[:, 1]), 1]
    return len(rows) > 1 and float(np.ptp(rows)) < 0.5 * height


def file_name(name: str) -> str:
    """Converts a name to a valid file name of letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._") or "clip"


def _stem(folder: pathlib.Path, clip: clip_data.Clip, number: int) -> pathlib.Path:
    return folder / FIGURES / f"{number:02d}_{file_name(clip.name)}"


def _overlay(
    path: pathlib.Path, clip: clip_data.Clip, index: int, kind: str, title: str
) -> page.Figure:
    keypoints = clip.keypoints_on(kind)
    image = clip.images(kind)[index]
    uv = clip.project(clip.xyz[index], kind)
    truth = clip.truth_at(index)
    truth_uv = None if truth is None else clip.project(truth, kind)
    overlays.draw_overlay(
        path,
        image,
        uv,
        skeleton=clip.skeleton,
        confidence=overlays.at(clip.confidence, index),
        visible=overlays.at(clip.visible, index),
        truth_uv=truth_uv,
        zoom=is_small(uv, height=image.shape[0]),
        keypoints=overlays.at(keypoints, index),
        keypoint_confidence=overlays.at(clip.keypoint_confidence, index),
        title=title,
    )
    caption = f"{title}. Prediction over the {KINDS[kind]}."
    return page.Figure(path, caption, wide=False)


def _scene(
    path: pathlib.Path, clip: clip_data.Clip, index: int, title: str
) -> page.Figure:
    truth = clip.truth_at(index)
    scenes.draw_scene(
        path,
        clip.xyz[index],
        skeleton=clip.skeleton,
        confidence=overlays.at(clip.confidence, index),
        visible=overlays.at(clip.visible, index),
        truth=truth,
        points=overlays.at(clip.points, index),
        title=title,
    )
    beside = "" if truth is None else ", beside the truth"
    caption = f"{title}. Prediction in 3D with the points{beside}; grid of 0.5 m."
    return page.Figure(path, caption, wide=False)


def _rays(
    path: pathlib.Path, clip: clip_data.Clip, index: int, title: str
) -> page.Figure:
    origin, dirs = clip.rays(index)
    scenes.draw_rays(
        path,
        clip.xyz[index],
        origin,
        dirs,
        skeleton=clip.skeleton,
        confidence=overlays.at(clip.confidence, index),
        points=overlays.at(clip.points, index),
        title=title,
    )
    caption = f"{title}. The 2D keypoints as rays of their camera."
    return page.Figure(path, caption, wide=False)


def _sheet(path: pathlib.Path, clip: clip_data.Clip, kind: str) -> None:
    errors = [frame_error_mm(clip, index) for index in range(clip.num_frames)]
    labels = ["" if np.isnan(error) else f"{error:.0f} mm" for error in errors]
    if clip.time is not None:
        stamps = clip.time - clip.time[0]
        pairs = zip(stamps, labels, strict=True)
        labels = [f"{t:.2f} s  {label}".rstrip() for t, label in pairs]
    overlays.draw_contact_sheet(
        path,
        clip.images(kind),
        clip.project(clip.xyz, kind),
        skeleton=clip.skeleton,
        confidence=clip.confidence,
        visible=clip.visible,
        truth_uv=None if clip.truth is None else clip.project(clip.truth, kind),
        labels=labels,
        title=clip.name,
    )
