"""Keypoints that are known so far, in a file beside the recording's keypoints.json.

One JSON line for each block of frames, so that an interrupted detection goes on where
it ended. The first line tells which network and which frames they belong to.
"""

import json
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from data_pipelines.keypoints import crops
from data_pipelines.sequences import keypoint_following
from unipose_jax import errors


def read(path: pathlib.Path, header: Any) -> list[keypoint_following.Block]:
    """Reads the blocks that are complete; an incomplete last line is left out.

    Args:
        path: the file; it may be missing.
        header: what the first line must be; otherwise the blocks are of other frames or
            another network, and none is returned.

    Raises:
        errors.BadInput: the file cannot be read.
    """
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    blocks = []
    try:
        if not lines or json.loads(lines[0]) != header:
            return []
        for line in lines[1:]:
            blocks.append(_parse(json.loads(line)))
    except (ValueError, TypeError, KeyError):
        pass  # the run was interrupted while it wrote this line
    return blocks


def start(
    path: pathlib.Path, header: Any, blocks: Iterable[keypoint_following.Block]
) -> None:
    """Writes the header and the known blocks."""
    lines = [json.dumps(header), *map(_line, blocks)]
    try:
        path.write_text("".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise errors.BadInput(f"cannot write {path}: {error.strerror}") from error


def append(path: pathlib.Path, block: keypoint_following.Block) -> None:
    """Appends a block to the file."""
    with path.open("a") as file:
        file.write(_line(block) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _line(block: keypoint_following.Block) -> str:
    found = [
        {
            "frame": entry.frame,
            "person": None if entry.person is None else entry.person.tolist(),
            "outside": entry.outside,
            "compared": entry.compared,
        }
        for entry in block.found
    ]
    return json.dumps({"found": found, "crop": block.crop})


def _parse(raw: Any) -> keypoint_following.Block:
    return keypoint_following.Block(
        [_parse_found(entry) for entry in raw["found"]], _parse_crop(raw["crop"])
    )


def _parse_found(raw: Any) -> keypoint_following.Found:
    person = None
    if raw["person"] is not None:
        person = np.asarray(raw["person"], np.float32)
        if person.ndim != 2 or person.shape[1] != 3:
            raise ValueError("no keypoints")
    return keypoint_following.Found(
        int(raw["frame"]), person, int(raw["outside"]), int(raw["compared"])
    )


def _parse_crop(raw: Sequence[int] | None) -> crops.Square | None:
    return None if raw is None else crops.Square(*map(int, raw))
