"""Recordings of the sample data with 2D keypoints of MoveNet, made once in a cache."""

import contextlib
import pathlib
import shutil
import sys
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.real import cases, columns, scores, table
from data_pipelines.readers.recordings import recording
from examples import make_sample_recordings
from unipose_jax import atomic, errors
from unipose_jax.cli import keypoints

STILL = ("head", "neck", "right_shoulder", "left_shoulder")
TRUNK = ("head", "neck", "torso")
MARKED_VIEWS = (0, 2, 4)
VIEWS = 10
LIMBS = tuple(
    index for index, name in enumerate(columns.BODY.joints) if name not in TRUNK
)


def cached(
    path: pathlib.Path,
    make: Callable[[pathlib.Path], object],
    data: pathlib.Path,
    *,
    detect: bool = True,
) -> recording.Recording:
    """Opens a recording of the cache; makes it first if it is not there.

    Args:
        path: of the recording.
        make: writes the recording to a folder that does not exist yet.
        data: folder of the sample data, with the files of MoveNet.
        detect: whether MoveNet finds the keypoints.

    Raises:
        errors.BadInput: the data are absent.
    """
    if not path.is_dir():
        print(f"makes {path}", file=sys.stderr, flush=True)
        with atomic.replacing(path) as folder, contextlib.redirect_stdout(sys.stderr):
            make(folder)
            if detect:
                keypoints.detect(folder, model=data / "movenet")
    return recording.open_recording(path)


def copy_of(source: pathlib.Path) -> Callable[[pathlib.Path], object]:
    """Copies a recording folder of the sample data.

    Raises:
        errors.BadInput: there is no such folder.
    """
    if not source.is_dir():
        raise errors.BadInput(f"no {source}")

    def make(target: pathlib.Path) -> None:
        shutil.copytree(source, target, copy_function=shutil.copyfile)
        for path in (target, *target.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)

    return make


def load_turning(options: columns.Options) -> list[cases.Case]:
    """A person who stands still while the camera moves."""
    source = options.data / "turning_person"

    def make(target: pathlib.Path) -> None:
        make_sample_recordings.turning_person(source, target)

    opened = cached(options.cache / "turning_person", make, options.data)
    return [cases.Case(opened, options.masks)]


def score_turning(
    some: Sequence[cases.Case], poses: Sequence[np.ndarray], options: columns.Options
) -> table.Cell:
    """Scatter of the joints of the upper body in the world frame."""
    del options
    spread = scores.scatter_mm(to_world(some[0].recorded.world_from_depth, poses[0]))
    shown = [columns.number(spread[columns.joint(name)]) for name in STILL]
    values = {"scatter_mm": columns.by_joint(spread)}
    found = np.isfinite(poses[0]).all(axis=-1).any(axis=-1).sum()
    return table.Cell(", ".join(shown), values, int(found))


def to_world(world_from_depth: np.ndarray | None, xyz: np.ndarray) -> np.ndarray:
    """Joints (frames, joints, 3) in the world frame, metres.

    Raises:
        errors.BadInput: the place of the camera is not known.
    """
    if world_from_depth is None:
        raise errors.BadInput("a recording has no world_from_depth in camera.json")
    turned = np.einsum("tij,tnj->tni", world_from_depth[:, :3, :3], xyz)
    return turned + world_from_depth[:, None, :3, 3]


TURNING = columns.Column(
    "turning",
    "turning person: scatter [mm] of head, neck, right and left shoulder",
    load_turning,
    score_turning,
)
