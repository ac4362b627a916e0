"""Folder of each stage: the workdir for points, a folder below it for students."""

import pathlib

from unipose_jax.train.checkpoints import checkpoint

MODALITIES = ("points", "depth", "rgb")
"""What a network looks at; a stage has the name of its modality."""


def folder_of(workdir: pathlib.Path, modality: str) -> pathlib.Path:
    """Where the run of a stage lives: the points in the workdir, students below it."""
    return workdir if modality == "points" else workdir / modality


def trained_stages(workdir: pathlib.Path) -> tuple[str, ...]:
    """The stages that have a finished checkpoint in a workdir."""
    return tuple(
        name
        for name in MODALITIES
        if checkpoint.latest_step(folder_of(workdir, name)) is not None
    )
