"""Recordings of the sample data, with 2D keypoints of MoveNet, made once in a cache."""

import contextlib
import pathlib
import shutil
import sys
from collections.abc import Callable

from data_pipelines.readers.recordings import recording
from unipose_jax import atomic, errors
from unipose_jax.cli import keypoints


def cached(
    path: pathlib.Path, make: Callable[[pathlib.Path], object]
) -> recording.Recording:
    """Opens a recording of the cache; makes it first if it is not there.

    Args:
        path: of the recording.
        make: writes the recording to a folder that does not exist yet.

    Raises:
        errors.BadInput: the data are absent.
    """
    fill(path, make)
    return recording.open_recording(path)


def fill(path: pathlib.Path, make: Callable[[pathlib.Path], object]) -> None:
    """Makes a folder of the cache, completely or not at all, if it is not there."""
    if path.is_dir():
        return
    print(f"makes {path}", file=sys.stderr, flush=True)
    with atomic.replacing(path) as folder, contextlib.redirect_stdout(sys.stderr):
        make(folder)


def detect(folder: pathlib.Path, data: pathlib.Path) -> None:
    """Adds the keypoints that MoveNet finds in a recording, if it sees a person.

    Args:
        folder: the recording, which has colour and no keypoints.
        data: folder of the sample data, with the files of MoveNet.
    """
    try:
        keypoints.detect(folder, model=data / "movenet")
    except errors.BadInput as error:
        errors.warn(f"no keypoints: {error}")


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies a recording folder of the sample data, which may be read-only.

    Raises:
        errors.BadInput: there is no such folder.
    """
    if not source.is_dir():
        raise errors.BadInput(f"no {source}")
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
