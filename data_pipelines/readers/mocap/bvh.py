"""BVH files: the skeleton and its joint positions in every frame."""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np

from unipose_jax import errors

_CHANNELS = {f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}


@dataclasses.dataclass(frozen=True, eq=False)
class Bvh:
    """Joint positions over time, in the unit and axes of the file."""

    joint_names: tuple[str, ...]
    xyz: np.ndarray  # float64 (frames, joints, 3)
    fps: float


@dataclasses.dataclass(frozen=True)
class _Joint:
    name: str
    parent: int  # -1 for the root
    offset: tuple[float, ...]  # from the parent
    channels: tuple[str, ...]  # e.g. Xposition or Zrotation, in file order


def read(path: str | os.PathLike) -> Bvh:
    """Reads a BVH file and computes the joint positions in every frame.

    An end site becomes a joint with the name of its parent prefixed by End_. A position
    channel replaces the offset of its joint.

    Raises:
        errors.BadInput: the file cannot be read; the message has the line number.
    """
    path = pathlib.Path(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    numbered = [
        (number, line.split()) for number, line in enumerate(text.split("\n"), 1)
    ]
    lines = [line for line in numbered if line[1]]
    start = next((i for i, (_, words) in enumerate(lines) if words == ["MOTION"]), None)
    if start is None:
        raise errors.BadInput(f"{path} has no MOTION: not a BVH file, or truncated")
    joints = _hierarchy(lines[:start], path)
    values, fps = _frames(lines[start + 1 :], joints, path)
    return Bvh(
        tuple(joint.name for joint in joints), _forward_kinematics(joints, values), fps
    )


class _Tokenizer:
    """Iterates over the words of lines; `line` is the current line number."""

    def __init__(self, lines: Iterable[tuple[int, list[str]]]):
        self._words = ((number, word) for number, line in lines for word in line)
        self.line = 0

    def take(self, expected: str = "") -> str:
        self.line, word = next(self._words)
        if expected and word != expected:
            raise ValueError(f"expected {expected}")
        return word


def _hierarchy(
    lines: Sequence[tuple[int, list[str]]], path: pathlib.Path
) -> list[_Joint]:
    """Parses the joints; parents come before children."""
    words = _Tokenizer(lines)
    joints: list[_Joint] = []
    try:
        words.take("HIERARCHY")
        words.take("ROOT")
        joints.append(_joint(words.take(), -1, words))
        inside = [0]
        while inside:
            kind = words.take()
            if kind == "}":
                inside.pop()
                continue
            name, parent = words.take(), inside[-1]
            if kind == "End":
                name = f"End_{joints[parent].name}"
            elif kind != "JOINT":
                raise ValueError(f"expected JOINT, got {kind}")
            inside.append(len(joints))
            joints.append(_joint(name, parent, words, ends=kind == "End"))
    except (ValueError, StopIteration) as error:
        reason = str(error) or "it ends too early"
        line = f"{path}: line {words.line} of the HIERARCHY: {reason}"
        raise errors.BadInput(line) from error
    return joints


def _joint(name: str, parent: int, words: _Tokenizer, *, ends: bool = False) -> _Joint:
    """Parses the definition of a joint after its name."""
    words.take("{")
    words.take("OFFSET")
    offset = tuple(float(words.take()) for _ in range(3))
    channels: tuple[str, ...] = ()
    if not ends:
        words.take("CHANNELS")
        channels = tuple(words.take() for _ in range(int(words.take())))
    for channel in channels:
        if channel not in _CHANNELS:
            raise ValueError(f"unknown channel {channel}")
    return _Joint(name, parent, offset, channels)


def _frames(
    lines: Sequence[tuple[int, list[str]]],
    joints: Sequence[_Joint],
    path: pathlib.Path,
) -> tuple[np.ndarray, float]:
    """Parses the channel values (frames, channels) and frames per second."""
    try:
        (_, (_, count)), (_, (_, _, step)), *rows = lines
        frames, seconds = int(count), float(step)
        if not 1e-3 <= seconds <= 1:
            raise ValueError
    except ValueError as error:
        line = f"{path}: MOTION does not begin with 'Frames: N' and 'Frame Time: S'"
        raise errors.BadInput(line) from error
    width = sum(len(joint.channels) for joint in joints)
    values = np.empty((len(rows), width))
    for row, (number, texts) in zip(values, rows, strict=True):
        try:
            row[:] = np.array(texts, np.float64) if len(texts) == width else np.nan
        except ValueError:
            row[:] = np.nan
        if not np.isfinite(row).all():
            raise errors.BadInput(
                f"{path}: line {number} has {len(texts)} values,"
                f" expected {width} numbers"
            )
    if len(values) != frames:
        raise errors.BadInput(
            f"{path} has {len(values)} frames, but its header says {frames}"
        )
    return values, 1.0 / seconds


def _forward_kinematics(joints: Sequence[_Joint], values: np.ndarray) -> np.ndarray:
    """Joint positions (frames, joints, 3), in the unit and axes of the file.

    The rotation channels of a joint are intrinsic rotations in the order of the file:
    R = R_1 R_2 R_3.
    """
    places: list[np.ndarray] = []
    turns: list[np.ndarray] = []
    columns = iter(values.T)
    for joint in joints:
        shift = np.tile(joint.offset, (len(values), 1))
        turn = np.eye(3)
        for channel in joint.channels:
            axis, value = "XYZ".index(channel[0]), next(columns)
            if channel.endswith("position"):
                shift[:, axis] = value
            else:
                turn = turn @ _rotations(axis, np.radians(value))
        if joint.parent >= 0:
            above = turns[joint.parent]
            shift = places[joint.parent] + (above @ shift[..., None])[..., 0]
            turn = above @ turn
        places.append(shift)
        turns.append(turn)
    return np.stack(places, axis=1)


def _rotations(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices about a coordinate axis, (frames, 3, 3); angles in radians."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = np.zeros((len(angle), 3, 3))
    turn[:, axis, axis] = 1.0
    turn[:, i, i] = turn[:, j, j] = np.cos(angle)
    turn[:, j, i] = np.sin(angle)
    turn[:, i, j] = -turn[:, j, i]
    return turn
