"""Checkpoints: the latest, to continue from; the best on validation, to use."""

import contextlib
import json
import logging
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from unipose_jax import errors
from unipose_jax.train.checkpoints import location
from unipose_jax.train.state import TrainState

FOLDER = location.FOLDER
SCORE = "score"  # the validation score that ranks checkpoints, lower is better
RESUMABLE_CHANGES = {
    "log_every",
    "checkpoint_every",
    "remat",
    "data.cache_dir",
    "data.workers",
}
"""Settings that a run may change when it goes on."""

EVALUATION_KEYS = ("data.test_clips", "correction.", "study.")
"""Beginnings of settings that training does not read."""

_MODEL_DATA_KEYS = ("data.skeleton", "data.crop_size")  # what a network is made for
_WHY = 200  # characters shown of an error of Orbax, which may fill a page
_MAX_LISTED = 3  # of the settings that differ


class Checkpoints:
    """The checkpoints of one work folder.

    Saving is asynchronous and atomic: a run killed at any moment finds its previous
    checkpoint whole. The newest is always kept, and the best by validation.
    """

    def __init__(self, workdir: pathlib.Path):
        """Opens their folder, see `location.find`; the first save makes it."""
        self._folder = location.find(workdir)
        self._is_remote = location.is_remote(self._folder)
        self._opened: ocp.CheckpointManager | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def _manager(self) -> ocp.CheckpointManager:
        """Orbax's manager, opened when first needed since it makes the folder."""
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> ocp.CheckpointManager:
        logging.getLogger("absl").setLevel(logging.ERROR)  # orbax has much to say
        best = checkpoint_managers.BestN(
            get_metric_fn=lambda metrics: metrics[SCORE],
            reverse=True,
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        policy = checkpoint_managers.AnyPreservationPolicy(
            [checkpoint_managers.LatestN(1), best]
        )
        return ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy,
                best_fn=lambda metrics: metrics[SCORE],
                best_mode="min",
            ),
            item_names=("state", "meta"),
        )

    def exist(self) -> bool:
        """Whether their folder exists.

        Raises:
            errors.BadInput: it cannot be read; so do the other methods.
        """
        with self._reading("*"):
            return self._folder.is_dir()

    def latest_step(self) -> int | None:
        """The newest saved step, or None."""
        with self._reading("*"):
            return self._manager.latest_step() if self._folder.is_dir() else None

    def best_step(self) -> int | None:
        """The saved step with the lowest validation score, or None."""
        newest = self.latest_step()
        with self._reading("*"):
            best = None if newest is None else self._manager.best_step()
        return newest if best is None else best

    def save(
        self, state: TrainState, *, meta: dict[str, Any], score: float | None
    ) -> None:
        """Saves an unreplicated state.

        Args:
            state: the training state, as host arrays.
            meta: JSON-able; the config and the position in the data.
            score: on validation, lower is better; None if not evaluated.
        """
        saved = jax.tree.map(np.asarray, state.checkpoint_tree())
        self._manager.save(
            int(state.step),
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(saved), meta=ocp.args.JsonSave(meta)
            ),
            metrics=None if score is None else {SCORE: float(score)},
        )

    def read_meta(self, step: int) -> dict[str, Any]:
        """What was saved as `meta` at a step."""
        with self._reading(step):
            restored = self._manager.restore(
                step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())
            )
        return restored["meta"]

    def restore(self, step: int, state: TrainState) -> TrainState:
        """Reads the state of a step; `state` gives its structure and shapes."""
        template = jax.tree.map(np.asarray, jax.device_get(state.checkpoint_tree()))
        with self._reading(step):
            restored = self._manager.restore(
                step, args=ocp.args.Composite(state=ocp.args.StandardRestore(template))
            )
        return state.replace(**restored["state"])

    def read_shapes(self, step: int) -> dict[str, Any]:
        """The tree of a saved state, with the shape of each array in its place."""
        path = self._folder / str(step) / "state"
        with self._reading(step):
            saved = ocp.PyTreeCheckpointer().metadata(path).item_metadata
            if saved is None:
                raise ValueError(f"{path}/_METADATA is missing or no JSON")
        return jax.tree.map(lambda leaf: tuple(leaf.shape), saved.tree)

    def restore_partial(self, step: int, part: Mapping[str, Any]) -> dict[str, Any]:
        """Reads a part of a saved state and leaves the rest alone.

        Args:
            step: of the checkpoint.
            part: the wanted branches of its tree, with arrays of the right shapes.
        """
        template = jax.tree.map(np.asarray, jax.device_get(part))
        arguments = ocp.args.PyTreeRestore(
            item=template,
            restore_args=ocp.checkpoint_utils.construct_restore_args(template),
            partial_restore=True,
        )
        path = self._folder / str(step) / "state"
        with self._reading(step):
            return ocp.PyTreeCheckpointer().restore(path, args=arguments)

    @contextlib.contextmanager
    def _reading(self, step: int | str) -> Iterator[None]:
        """Turns what Orbax raises for damaged files into one line for the user."""
        failures = (
            (Exception,) if self._is_remote else (OSError, ValueError, LookupError)
        )
        try:
            yield
        except failures as error:
            why = " ".join(str(error).split())
            hint = "" if self._is_remote else "; remove it to use an older one"
            raise errors.BadInput(
                f"the checkpoint {self._folder / str(step)} cannot be read{hint} "
                f"({type(error).__name__}: {why[:_WHY]})"
            ) from error

    def wait(self) -> None:
        """Waits until every save is on disk."""
        if self._opened is not None:
            self._opened.wait_until_finished()

    def close(self) -> None:
        """Waits until every save is on disk, and ends the threads that save."""
        if self._opened is not None:
            self._opened.close()


def latest_step(workdir: pathlib.Path) -> int | None:
    """The newest step that the run in a folder has saved, or None."""
    with Checkpoints(workdir) as checkpoints:
        return checkpoints.latest_step()


def latest_meta(workdir: pathlib.Path) -> dict[str, Any] | None:
    """What the run in a folder saved as `meta` with its newest step, or None."""
    with Checkpoints(workdir) as checkpoints:
        step = checkpoints.latest_step()
        return None if step is None else checkpoints.read_meta(step)


def check_model(
    meta: dict[str, Any], config: Mapping[str, Any], where: pathlib.Path
) -> None:
    """Refuses a checkpoint of another model, or of crops of another size.

    Raises:
        errors.BadInput: names the first settings that differ.
    """
    if found := config_difference(meta, config, ("model.", *_MODEL_DATA_KEYS)):
        raise errors.BadInput(f"the checkpoint in {where} is of another model: {found}")


def check_config(
    meta: dict[str, Any], config: Mapping[str, Any], where: pathlib.Path
) -> None:
    """Refuses to continue a run under another config.

    A larger `num_train_steps` is allowed: it lengthens the run.

    Raises:
        errors.BadInput: names the first settings that differ.
    """
    same = dict(config)
    if lengthened_from(meta, config):
        same["num_train_steps"] = meta["config"]["num_train_steps"]
    if found := config_difference(meta, same):
        raise errors.BadInput(
            f"{where} holds a run of another config: {found}; choose another --workdir"
        )


def lengthened_from(meta: dict[str, Any], config: Mapping[str, Any]) -> int:
    """The former number of steps of a run that a config makes longer, or 0."""
    before = meta["config"]["num_train_steps"]
    return before if config["num_train_steps"] > before else 0


def differs_in_path_only(meta: dict[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a config names other original files than a checkpoint's, and no more."""
    saved = _flatten(meta["config"]).get("data.path", "")
    same = {**config, "data": {**config["data"], "path": saved}}
    return saved != config["data"]["path"] and not config_difference(meta, same)


def config_difference(
    meta: dict[str, Any],
    config: Mapping[str, Any],
    prefixes: tuple[str, ...] = ("",),
    *,
    include_evaluation_keys: bool = False,
) -> str:
    """The first settings in which a config differs from a checkpoint's, in words.

    Args:
        meta: of the checkpoint.
        config: to compare with it.
        prefixes: which settings to compare, by the start of their names.
        include_evaluation_keys: compare those that training does not read, too.

    Returns:
        For example "model.width is 16 there and 32 in the config", up to `_MAX_LISTED`
        of them; "" if none differs.
    """
    named: list[str] = []
    saved, mine = _flatten(meta["config"]), _flatten(to_json(config))
    for key in sorted((saved.keys() | mine.keys()) - RESUMABLE_CHANGES):
        if key.startswith(EVALUATION_KEYS) and not include_evaluation_keys:
            continue
        there, here = saved.get(key), mine.get(key)
        if key.startswith("model.") and key not in saved and not here:
            continue  # an input or a head that older networks did not know
        if key.startswith(prefixes) and there != here:
            named.append(f"{key} is {there!r} there and {here!r} in the config")
    return "; ".join(named[:_MAX_LISTED])


def to_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a config as a checkpoint keeps them: tuples become lists."""
    return json.loads(json.dumps(values))


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, Mapping)
        flat |= _flatten(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return flat
