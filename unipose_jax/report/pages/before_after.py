"""Charts and skeletons of one pose sequence before and after refinement."""

import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib import axes

from unipose_jax import skeleton as skeletons
from unipose_jax.report import inputs, tables
from unipose_jax.report.draw import canvas, palette

_COLUMNS = 4
_CELL = (300, 150)  # pixels, of a small chart
_POSE = (210, 300)  # pixels, of a drawn pose


def draw_bones(
    path: pathlib.Path, before: inputs.PoseSequence, after: inputs.PoseSequence
) -> None:
    """Draws the length of every bone over time, centimetres."""
    body = skeletons.by_name(before.skeleton)
    child, parent = body.bone_ends
    lengths = [
        100.0 * np.linalg.norm(xyz[:, child] - xyz[:, parent], axis=-1)
        for xyz in (_known(before), _known(after))
    ]
    names = [
        f"{tables.joint_label(body.joints[p])} - {tables.joint_label(body.joints[c])}"
        for c, p in body.bones
    ]
    _draw_small(path, names, before.time, *lengths, title="Bone lengths [cm]")


def draw_paths(
    path: pathlib.Path,
    before: inputs.PoseSequence,
    after: inputs.PoseSequence,
    *,
    joints: Sequence[int],
) -> None:
    """Draws the coordinates of some joints over time, metres."""
    body = skeletons.by_name(before.skeleton)
    names = [
        f"{tables.joint_label(body.joints[joint])}, {axis}"
        for joint in joints
        for axis in ("x", "y", "z")
    ]
    values = [
        _known(poses)[:, list(joints)].reshape(len(poses), -1)
        for poses in (before, after)
    ]
    _draw_small(path, names, before.time, *values, title="Ends of limbs [m]", columns=3)


def draw_poses(
    path: pathlib.Path,
    before: inputs.PoseSequence,
    after: inputs.PoseSequence,
    *,
    frames: Sequence[int],
    images: Sequence[np.ndarray] = (),
    project: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """Draws some frames as the camera sees them, before above and after below.

    Args:
        path: PNG to write.
        before: what was refined.
        after: the same frames, refined.
        frames: positions of those to draw; the titles show their numbers.
        images: of these frames, uint8 (height, width, 3), to draw over; may be empty.
        project: from joints (joints, 3), metres, to pixels of the images.
    """
    width, height = _POSE
    fig = canvas.new_figure(len(frames) * width + 20, 2 * height + 90)
    canvas.write_line(fig, "Before and after", 14, 12, points=canvas.TITLE, bold=True)
    for column, frame in enumerate(frames):
        pair = np.stack([_known(poses)[frame] for poses in (before, after)])
        places = (
            pair[..., :2] if project is None else np.stack(list(map(project, pair)))
        )
        window = _window(places, 0.15 if project is None else 30.0)
        for row, place in enumerate(places):
            left, top = 10 + column * width, 70 + row * height
            ax = canvas.axes_at(fig, left, top, width - 6, height - 6)
            if len(images):
                ax.imshow(images[column])
            _draw_pose(ax, place, before.skeleton, window)
            if row == 0:
                number = frame if before.frame is None else int(before.frame[frame])
                ax.set_title(f"frame {number}", fontsize=canvas.TEXT)
    canvas.save(fig, path)


def _known(poses: inputs.PoseSequence) -> np.ndarray:
    return np.where(poses.is_valid()[..., None], poses.xyz, np.nan)


def _draw_small(path, names, time, before, after, *, title, columns=_COLUMNS) -> None:
    """One small chart for each column of two tables over time."""
    width, height = _CELL
    rows = -(-len(names) // columns)
    fig = canvas.new_figure(columns * width + 20, rows * height + 60)
    canvas.write_line(fig, title, 14, 12, points=canvas.TITLE, bold=True)
    seconds = time - time[0]
    for index, name in enumerate(names):
        left, top = index % columns * width + 52, index // columns * height + 66
        ax = canvas.chart_at(fig, left, top, width - 70, height - 48)
        ax.plot(
            seconds,
            before[:, index],
            color=palette.lighter(palette.MIDDLE),
            linewidth=0.8,
        )
        ax.plot(seconds, after[:, index], color=palette.series_color(0), linewidth=1.2)
        ax.set_title(name, loc="left", fontsize=canvas.TEXT)
        _set_limits(ax, np.concatenate([before[:, index], after[:, index]]))
    canvas.save(fig, path)


def _set_limits(ax: axes.Axes, values: np.ndarray) -> None:
    """Sets the limits of the y axis from quantiles, so that outliers have no effect."""
    values = values[np.isfinite(values)]
    if len(values):
        low, high = np.quantile(values, [0.01, 0.99])
        margin = 0.2 * (high - low) + 1e-3
        ax.set_ylim(low - margin, high + margin)


def _window(places: np.ndarray, margin: float) -> tuple[float, float, float]:
    """Centre and half the height of what is drawn, in metres or pixels."""
    flat = places.reshape(-1, 2)
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        return 0.0, 0.0, 1.0
    x, y = np.median(flat, axis=0)
    reach = np.quantile(np.abs(flat - (x, y)), 0.98) + margin
    return float(x), float(y), float(reach)


def _draw_pose(
    ax: axes.Axes, places: np.ndarray, name: str, window: tuple[float, float, float]
) -> None:
    body = skeletons.by_name(name)
    colors = palette.bone_colors(body)
    for (child, parent), color in zip(body.bones, colors, strict=True):
        ends = places[[parent, child]]
        ax.plot(ends[:, 0], ends[:, 1], color=color, linewidth=2.4)
    x, y, reach = window
    wide = reach * (_POSE[0] - 6) / (_POSE[1] - 6)
    ax.set_xlim(x - wide, x + wide)
    ax.set_ylim(y + reach, y - reach)
