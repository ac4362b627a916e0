"""Where the independent work of a mode runs: `--workers` and `--scheduler`."""

from unipose_jax import cluster, errors


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
