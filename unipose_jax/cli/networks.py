"""The networks of runs, for the modes that use one."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax

from unipose_jax import errors, estimator

_METHODS = ("stage1", "stage2")  # recipes whose networks take recorded images


def check(config: Any, workdir: pathlib.Path | None) -> None:
    """Checks that a config comes with its run.

    Raises:
        errors.BadInput: it does not.
    """
    if config is not None and workdir is None:
        raise errors.BadInput(
            "--config needs the --workdir of its run; without both, the weights that "
            "ship with the package are used"
        )


Loaded = tuple[estimator.Estimator, Mapping[str, Any]]
Loader = Callable[[Any, pathlib.Path | None, str], Loaded]


def load(config: Any, workdir: pathlib.Path | None, modality: str) -> Loaded:
    """The network of a run, or one that ships, and the config of the run.

    Args:
        config: of the run; None for that of its checkpoint.
        workdir: of the run; None for the weights that ship.
        modality: one of `folders.MODALITIES`, or a name of weights that ship.

    Raises:
        errors.BadInput: there is no such network, or it takes no depth recordings.
    """
    if workdir is None:
        return estimator.load_shipped(modality), {}
    return load_trained(config, workdir, modality)


def load_trained(
    config: Any, workdir: pathlib.Path, modality: str
) -> tuple[estimator.Estimator, dict[str, Any]]:
    """The network of a modality that a run has trained, and the run's config.

    Args:
        config: of the run; None for that of its checkpoint.
        workdir: of the run.
        modality: one of `folders.MODALITIES`.

    Raises:
        errors.BadInput: there is no such network, or it takes no depth recordings.
    """
    # Weights that ship need neither; both take long to import.
    from unipose_jax.train import plan
    from unipose_jax.train.checkpoints import restore

    if config is None:
        stage = plan.stage_of_run(workdir, modality)
    else:
        stage = plan.resolve_stage(config, workdir, modality)
    if stage.method not in _METHODS:
        raise errors.BadInput(
            "predict needs a network that uses depth recordings; "
            f"{stage.model['name']} does not"
        )
    state = restore.restore_best(stage)
    used = restore.read_config(stage.folder)
    return estimator.from_config(used, jax.device_get(state.ema_params)), used
