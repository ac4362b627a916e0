"""A picture of a named skeleton: a standing person, every joint with index and name."""

import io
import itertools
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib import axes, figure
from PIL import Image

from benchmarks.figures import canvas, marks, panels, views
from unipose_jax import atomic
from unipose_jax.geometry import transforms
from unipose_jax.report.draw import palette
from unipose_jax.skeleton import definitions, kinematics
from unipose_jax.synthesis.motion import body_shape

WIDTH, HEIGHT = 850, 660  # pixels, below the header
FLOOR = 45.0  # pixels from the lower edge up to the ground between the feet
SCALE = 355.0  # pixels per metre
COLUMN = 160.0  # pixels between the picture's sides and the labels' inner ends
GAP = 21.0  # pixels from one label to the next
COLORS = 64  # of the file, which this makes a third as large
# From above, so that eyes and nose appear below ears and head, feet below ankles.
VIEW = views.View("from the front, a little from above", 0.0, math.radians(20.0))

# Turns of the right-hand joints about x, y and z of the body frame, degrees; the left
# are mirrored. Arms away from the body, thumbs and feet to the sides: no joint then
# hides another.
_TURNS = {
    "shoulder": (0.0, 0.0, -37.0),
    "wrist": (0.0, 90.0, 0.0),
    "hip": (0.0, 0.0, -8.0),
    "ankle": (0.0, 50.0, 0.0),
}

# Joints of the middle are labelled on the spot, pixels from joint to label: a line to
# the side would run over an ear, a shoulder or a hip.
_BESIDE = {
    "head_top": (11.0, 0.0),
    "head": (9.0, -16.0),
    "neck": (9.0, -13.0),
    "thorax": (7.0, 26.0),
    "torso": (12.0, 0.0),
    "pelvis": (-28.0, 26.0),
}


def draw_skeleton(path: atomic.Path, body: definitions.Skeleton) -> None:
    """Writes the picture of `skeleton_figure` as PNG.

    Args:
        path: PNG to write.
        body: its joints must all be joints of `skeleton.BODY`.
    """
    image = Image.fromarray(canvas.rgb(skeleton_figure(body))).quantize(COLORS)
    stream = io.BytesIO()
    image.save(stream, format="png")
    atomic.write_bytes(path, stream.getvalue())


def skeleton_figure(body: definitions.Skeleton) -> figure.Figure:
    """The reference person of `motion.body_shape` in one skeleton, joints named.

    The person faces the reader: the right-hand side, blue, is at the left.
    """
    xyz, _ = definitions.convert(reference_person(), definitions.BODY, body)
    uv = _pixels(np.asarray(xyz))
    title = f"{body.name}: {body.num_joints} joints, seen {VIEW.name}"
    fig = panels.titled_figure(WIDTH, HEIGHT, title)
    ax = canvas.axes_at(fig, 0, panels.HEADER, WIDTH, HEIGHT)
    ax.set_xlim(0, WIDTH)
    ax.set_ylim(HEIGHT, 0)
    marks.draw_pose(ax, uv, body, size=0.75)
    _write_labels(ax, uv, body)
    return fig


def reference_person() -> Float[np.ndarray, "joints 3"]:
    """Joints of `skeleton.BODY`, arms apart; metres, frame of `motion.body_shape`."""
    degrees = np.zeros((definitions.BODY.num_joints, 3), np.float32)
    for joint, name in enumerate(definitions.BODY.joints):
        base, side = body_shape.split_side(name)
        degrees[joint] = side * np.array(_TURNS.get(base, (0.0, 0.0, 0.0)))
    # One program compiles four times faster than its operations one by one.
    return np.asarray(jax.jit(_stand)(np.radians(degrees)))


def _stand(turns: Float[Array, "joints 3"]) -> Float[Array, "joints 3"]:
    """The reference person with its joints turned about x, y and z, radians."""
    xyz, _ = kinematics.forward_kinematics(
        transforms.rotation_from_euler(turns),
        jnp.asarray(body_shape.REST_OFFSETS),
        parents=definitions.BODY.parents,
    )
    return xyz


def _pixels(xyz: Float[np.ndarray, "joints 3"]) -> Float[np.ndarray, "joints 2"]:
    """Places in the picture; the reader faces the person."""
    # The body frame looks the person's way, the camera frame the reader's.
    plane = views.plane_from_xyz(xyz * np.array([-1.0, 1.0, -1.0]), VIEW)
    return (WIDTH / 2, HEIGHT - FLOOR) + SCALE * plane[:, :2] * (1.0, -1.0)


def _write_labels(
    ax: axes.Axes, uv: Float[np.ndarray, "joints 2"], body: definitions.Skeleton
) -> None:
    colors = palette.joint_colors(body)
    ends = _line_ends(uv, body)
    for joint, name in enumerate(body.joints):
        x, y = ends.get(joint, uv[joint] + _BESIDE.get(name, (0.0, 0.0)))
        if joint in ends:
            faint = palette.lighter(colors[joint])
            line = np.stack([uv[joint], (x, y)], axis=-1)
            ax.plot(*line, color=faint, linewidth=1.0, zorder=panels.LINES)
        from_right = joint in ends and x < WIDTH / 2
        ax.text(
            x + (-5.0 if from_right else 5.0 * (joint in ends)),
            y,
            f"{name} {joint}" if from_right else f"{joint} {name}",
            ha="right" if from_right else "left",
            va="center",
            fontsize=canvas.TEXT,
            color=colors[joint],
            parse_math=False,
        )


def _line_ends(
    uv: Float[np.ndarray, "joints 2"], body: definitions.Skeleton
) -> Mapping[int, tuple[float, float]]:
    """Where the lines from joints to labels end, pixels; not of those in `_BESIDE`.

    In two columns, right joints and nose in the left one. Labels are `GAP` apart or
    more, near the height of their joints, and no two lines of a column cross.
    """
    lined = [j for j, name in enumerate(body.joints) if name not in _BESIDE]
    left = [j for j in lined if body.joints[j].startswith("left_")]
    right = [j for j in lined if j not in left]
    ends = {}
    for x, column in ((COLUMN, right), (WIDTH - COLUMN, left)):
        heights = _spread(np.sort(uv[column, 1]))
        for joint, y in zip(_untangled(uv, column, x, heights), heights, strict=True):
            ends[joint] = (x, float(y))
    return ends


def _spread(wanted: Float[np.ndarray, " labels"]) -> Float[np.ndarray, " labels"]:
    """The places nearest to ascending ones, in squares, that lie `GAP` apart."""
    steps = GAP * np.arange(len(wanted))
    # Without the gaps it is a regression by ascending values: pool what descends.
    blocks: list[list[float]] = []
    for value in wanted - steps:
        blocks.append([float(value)])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    return np.concatenate([np.full(len(b), np.mean(b)) for b in blocks]) + steps


def _untangled(
    uv: Float[np.ndarray, "joints 2"],
    column: list[int],
    x: float,
    heights: Float[np.ndarray, " labels"],
) -> list[int]:
    """The joints of a column from top to bottom, so that the lines are short.

    Uncrossing two lines shortens them: where no swap does, none cross.
    """

    def length(joint: int, row: int) -> float:
        return math.hypot(uv[joint, 0] - x, uv[joint, 1] - heights[row])

    order = sorted(column, key=lambda joint: uv[joint, 1])
    swapped = True
    while swapped:
        swapped = False
        for a, b in itertools.combinations(range(len(order)), 2):
            now = length(order[a], a) + length(order[b], b)
            if length(order[b], a) + length(order[a], b) < now - 1e-6:
                order[a], order[b] = order[b], order[a]
                swapped = True
    return order
