"""Checkpoints: the newest, to go on from; the best on validation, to use."""

import logging
import pathlib
from typing import Any

import jax
import ml_collections
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from data_pipelines import errors
from unipose_jax.train.state import TrainState

SCORE = "score"  # the validation score that ranks checkpoints, lower is better


class Checkpoints:
    """The checkpoints of one work folder.

    Saving is asynchronous and atomic: a run killed at any moment finds its previous
    checkpoint whole. The newest is always kept, and the best by validation.
    """

    def __init__(self, workdir: pathlib.Path):
        """Opens `workdir`/checkpoints, made at the first save."""
        logging.getLogger("absl").setLevel(logging.WARNING)  # orbax floods INFO
        best = checkpoint_managers.BestN(
            get_metric_fn=lambda metrics: metrics[SCORE],
            reverse=True,
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        policy = checkpoint_managers.AnyPreservationPolicy(
            [checkpoint_managers.LatestN(1), best]
        )
        self._manager = ocp.CheckpointManager(
            (workdir / "checkpoints").absolute(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy,
                best_fn=lambda metrics: metrics[SCORE],
                best_mode="min",
            ),
            item_names=("state", "meta"),
        )

    def latest_step(self) -> int | None:
        """The newest saved step, or None."""
        return self._manager.latest_step()

    def best_step(self) -> int | None:
        """The saved step with the lowest validation score, or None."""
        return self._manager.best_step() or self.latest_step()

    def save(
        self, state: TrainState, *, meta: dict[str, Any], score: float | None
    ) -> None:
        """Saves an unreplicated state.

        Args:
            state: the training state, as host arrays.
            meta: JSON-able; describes the model and the position in the data.
            score: on validation, lower is better; None if not evaluated.
        """
        saved = jax.tree.map(np.asarray, state.saved())
        self._manager.save(
            int(state.step),
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(saved), meta=ocp.args.JsonSave(meta)
            ),
            metrics=None if score is None else {SCORE: float(score)},
        )

    def read_meta(self, step: int) -> dict[str, Any]:
        """What was saved as `meta` at a step."""
        restored = self._manager.restore(
            step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())
        )
        return restored["meta"]

    def restore(self, step: int, state: TrainState) -> TrainState:
        """Reads the state of a step; `state` gives its structure and shapes."""
        template = jax.tree.map(np.asarray, jax.device_get(state.saved()))
        restored = self._manager.restore(
            step, args=ocp.args.Composite(state=ocp.args.StandardRestore(template))
        )
        return state.replace(**restored["state"])

    def close(self) -> None:
        """Waits until every save is on disk."""
        self._manager.close()


def check_model(
    meta: dict[str, Any], config: ml_collections.ConfigDict, where: pathlib.Path
) -> None:
    """Refuses a checkpoint of another model.

    Raises:
        errors.BadInput: names the first setting that differs.
    """
    for key, value in describe_model(config).items():
        if (saved := meta["model"].get(key)) != value:
            raise errors.BadInput(
                f"the checkpoint in {where} is of another model: {key} is {saved!r} "
                f"there and {value!r} in the config"
            )


def describe_model(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """The settings that a checkpoint's parameters depend on, JSON-able."""
    model = {key: _plain(value) for key, value in config.model.items()}
    return model | {"skeleton": config.data.skeleton}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
