"""Writes BVH files; joint positions are computed with SciPy's rotations."""

import pathlib
from collections.abc import Sequence

import numpy as np
from scipy.spatial import transform

from unipose_jax import skeleton as skeletons
from unipose_jax.synthesis.motion import body_shape


def write(
    path: pathlib.Path,
    *,
    frames: int = 9,
    order: str = "ZYX",
    fps: float = 120.0,
    centimetres: float = 5.6444444,
    seed: int = 0,
) -> np.ndarray:
    """Writes a standing person with the joints of `skeleton.BODY` and small motion.

    Args:
        path: output file.
        frames: number of frames after the T-pose at the beginning.
        order: order of the rotation channels.
        fps: frames per second.
        centimetres: unit of the file; default: that of CMU.
        seed: seed of the motion.

    Returns:
        (frames, joints, 3), metres, y up, without the T-pose. Joints are in the order
        of the file: depth first, with an end site after each joint without children.
    """
    body = skeletons.BODY
    # From the reference person, whose axes are right, down, forward.
    offsets = body_shape.REST_OFFSETS * [1, -1, -1]
    offsets[0] = 0.0
    unit = centimetres / 100
    rng = np.random.default_rng(seed)
    sway = np.sin(np.linspace(0, 0.6, frames + 1))[:, None, None]
    angles = sway * rng.uniform(-20, 20, (1, body.num_joints, 3))
    root = [0.0, 0.95, 0.0] + sway[:, 0] * [0.1, 0.02, 0.2]
    angles[0] = 0.0
    lines, order_written = ["HIERARCHY"], []
    _tree(lines, order_written, body, offsets / unit, order, 0)
    rows = [
        " ".join(f"{value:.9f}" for value in [*root[t] / unit, *turns.ravel()])
        for t, turns in enumerate(angles[:, [j for j in order_written if j >= 0]])
    ]
    header = ["MOTION", f"Frames: {len(rows)}", f"Frame Time: {1 / fps:.9f}"]
    path.write_text("\n".join([*lines, *header, *rows]) + "\n")
    return _places(body, offsets, order, angles, root, order_written)[1:]


def _tree(
    lines: list[str],
    written: list[int],
    body: skeletons.Skeleton,
    offsets: np.ndarray,
    order: str,
    joint: int,
) -> None:
    """Writes a joint and its descendants; an end site has the number -1 - joint."""
    written.append(joint)
    position = "" if joint else "Xposition Yposition Zposition "
    kind = "JOINT" if joint else "ROOT"
    turns = " ".join(f"{axis}rotation" for axis in order)
    lines += [f"{kind} {body.joints[joint]}", "{", _offset(offsets[joint])]
    lines += [f"CHANNELS {3 if joint else 6} {position}{turns}"]
    children = [child for child, parent in body.bones if parent == joint]
    for child in children:
        _tree(lines, written, body, offsets, order, child)
    if not children:
        written.append(-1 - joint)
        lines += ["End Site", "{", _offset(np.zeros(3)), "}"]
    lines.append("}")


def _offset(values: Sequence[float] | np.ndarray) -> str:
    return "OFFSET " + " ".join(f"{value:.9f}" for value in values)


def _places(
    body: skeletons.Skeleton,
    offsets: np.ndarray,
    order: str,
    angles: np.ndarray,
    root: np.ndarray,
    written: Sequence[int],
) -> np.ndarray:
    places, turns = [None] * body.num_joints, [None] * body.num_joints
    for joint in (j for j in written if j >= 0):
        # Upper case: intrinsic rotations.
        turn = transform.Rotation.from_euler(order, angles[:, joint], degrees=True)
        parent = body.parents[joint]
        if parent < 0:
            places[joint], turns[joint] = root, turn
        else:
            moved = turns[parent].apply(offsets[joint])
            places[joint] = places[parent] + moved
            turns[joint] = turns[parent] * turn
    return np.stack([places[j if j >= 0 else -1 - j] for j in written], axis=1)
