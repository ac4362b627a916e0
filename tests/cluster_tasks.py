"""Tasks for workers, which import them by name."""

import os
import pathlib
import signal
import sys
from unittest import mock

from data_pipelines.ground import file_io
from unipose_jax import atomic, errors

KILLED = "killed"
"""File that tells that a worker has been killed once."""


def square(number: int) -> int:
    if number < 0:
        raise errors.BadInput(f"no square of {number}")
    print(f"squared {number}")
    print("100%|###| 3/3", end="", file=sys.stderr)  # a bar, which has no newline
    errors.warn(f"{number} is doubtful")
    return number**2


def fail_twice(folder: pathlib.Path) -> int:
    """Ends at the third trial, as when a shared folder was away for a while."""
    trials = len(list(folder.iterdir()))
    (folder / str(trials)).touch()
    if trials < 2:
        raise OSError("the folder is away")
    return trials


def write_and_be_killed(item: tuple[pathlib.Path, int]) -> int:
    """Writes a file; the first worker that has item 1 is killed in mid-work."""
    folder, number = item
    with atomic.replacing(folder / f"{number}.txt") as path:
        path.write_text("half")
        if number == 1:
            kill_once(folder)
        path.write_text(f"{number} whole")
    return os.getpid()


def write_shard_and_be_killed(shard, data) -> None:
    """`prepare.write_shard`, killed once before the notes of a shard of training."""
    from data_pipelines.prepared import prepare

    write_json = file_io.write_json

    def write_notes(path, notes):
        if shard.split == "train":
            kill_once(pathlib.Path(data.data_dir))
        write_json(path, notes)

    with mock.patch.object(file_io, "write_json", write_notes):
        prepare.write_shard(shard, data)


def kill_once(folder: pathlib.Path) -> None:
    try:
        (folder / KILLED).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
