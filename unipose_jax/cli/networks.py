"""The network that `predict` and `live` use: of a run, or one that ships."""

import pathlib
from typing import Any

import jax

from unipose_jax import errors, estimator
from unipose_jax.train import plan
from unipose_jax.train.checkpoints import restore

_METHODS = ("stage1", "stage2")  # recipes whose networks take recorded images


def check(config: Any, workdir: pathlib.Path | None) -> None:
    """Checks that a run is named by both of its flags, or not at all.

    Raises:
        errors.BadInput: one flag is missing.
    """
    if workdir is not None and config is None:
        raise errors.BadInput("--workdir needs the --config that it was trained with")
    if config is not None and workdir is None:
        raise errors.BadInput(
            "--config needs the --workdir of its run; without both, the weights that "
            "ship with the package are used"
        )


def load(
    config: Any, workdir: pathlib.Path | None, modality: str, *, shipped: str
) -> estimator.Estimator:
    """Loads the network.

    Args:
        config: of the run in `workdir`; None for the weights that ship.
        workdir: of a run; None for the weights that ship.
        modality: input of the run's network, one of `folders.MODALITIES`.
        shipped: name of the weights that ship, see `estimator.load_shipped`.

    Raises:
        errors.BadInput: there are no such weights, or they take no depth recordings.
    """
    if config is None or workdir is None:
        return estimator.load_shipped(shipped)
    stage = plan.resolve_stage(config, workdir, modality)
    if stage.method not in _METHODS:
        raise errors.BadInput(
            "predict needs a network that uses depth recordings; "
            f"{stage.model['name']} does not"
        )
    state = restore.restore_best(stage)
    used = restore.read_config(stage.folder)
    return estimator.from_config(used, jax.device_get(state.ema_params))
