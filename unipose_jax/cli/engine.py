"""Where the independent work of a mode runs: `--workers` and `--scheduler`."""

import pathlib

from unipose_jax import cluster, errors
from unipose_jax.cli import paths


def from_flags(scheduler: str, workers: int) -> cluster.Engine:
    """The engine that two flags name.

    Args:
        scheduler: address of a Dask scheduler, or "".
        workers: processes on this machine.

    Raises:
        errors.BadInput: they do not fit.
    """
    if workers < 1:
        raise errors.BadInput(f"--workers={workers} is not 1 or more")
    if scheduler and workers > 1:
        raise errors.BadInput(
            "--workers starts processes on this machine; with --scheduler, the workers "
            "of that cluster do the work"
        )
    return cluster.Engine(scheduler, workers)


def for_recordings(
    source: pathlib.Path, scheduler: str, workers: int
) -> cluster.Engine | None:
    """The engine for a folder of recordings; None if it is a single one.

    Raises:
        errors.BadInput: the flags do not fit.
    """
    engine = from_flags(scheduler, workers)
    if paths.has_recordings(source):
        return engine
    if engine != cluster.HERE:
        errors.warn(
            "--workers and --scheduler share out the recordings of a folder; "
            f"{source} is one recording, which this process works on"
        )
    return None
