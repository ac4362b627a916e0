"""From a workdir to a training state: the newest checkpoint, the best, or none yet."""

import pathlib
from typing import Any

import jax
import ml_collections
import numpy as np

from data_pipelines.ground import schema
from unipose_jax import errors, skeleton
from unipose_jax.train import optimizer, recipes
from unipose_jax.train import state as train_state
from unipose_jax.train.checkpoints import checkpoint

_INITIAL = np.uint32(2**32 - 1)
"""Folded into the seed for initial weights; steps, of 31 bits, fold in their number."""


def restore_or_init(
    config: ml_collections.ConfigDict,
    recipe: recipes.Recipe,
    checkpoints: checkpoint.Checkpoints,
    workdir: pathlib.Path,
) -> tuple[train_state.TrainState, dict[str, Any] | None]:
    """The newest state and its position in the data, or a fresh state and None.

    Raises:
        errors.BadInput: the checkpoint is of another model.
    """
    return _restore(config, recipe, checkpoints, workdir, checkpoints.latest_step())


def restore_best(
    config: ml_collections.ConfigDict, workdir: pathlib.Path
) -> tuple[recipes.Recipe, train_state.TrainState]:
    """The recipe of a config, and the best step and average of its run in a workdir.

    Raises:
        errors.BadInput: there is no checkpoint, or it is of another model.
    """
    recipe = recipes.build(config)
    with open_checkpoints(workdir) as checkpoints:
        step = checkpoints.best_step()
        assert step is not None  # there is one at least
        checkpoint.check_model(checkpoints.read_meta(step), config, workdir)
        state = _init_state(config, recipe)
        # The optimizer of the run may have been another.
        used = {"step": state.step, "ema_params": state.ema_params}
        return recipe, state.replace(**checkpoints.restore_partial(step, used))


def with_params(params, state: train_state.TrainState) -> train_state.TrainState:
    """A fresh state with other parameters.

    Raises:
        errors.BadInput: they are of another network.
    """
    theirs, ours = (
        {jax.tree_util.keystr(path): np.shape(leaf) for path, leaf in leaves}
        for leaves in map(jax.tree_util.tree_leaves_with_path, (params, state.params))
    )
    if theirs != ours:
        name = min(name for name in theirs | ours if theirs.get(name) != ours.get(name))
        raise errors.BadInput(
            "config.teacher.init_from_teacher: the teacher has another network than "
            f"config.model: {name} is {theirs.get(name)} there and {ours.get(name)} "
            "here"
        )
    return state.replace(params=params, ema_params=params)


def open_checkpoints(workdir: pathlib.Path) -> checkpoint.Checkpoints:
    """The checkpoints in a workdir, of which there is one at least.

    Raises:
        errors.BadInput: there is none.
    """
    if not (workdir / "checkpoints").is_dir():
        raise errors.BadInput(f"no checkpoint in {workdir}; train there first")
    checkpoints = checkpoint.Checkpoints(workdir)
    if checkpoints.latest_step() is None:
        checkpoints.close()
        raise errors.BadInput(f"no finished checkpoint in {workdir}; train there first")
    return checkpoints


def read_config(workdir: pathlib.Path) -> ml_collections.ConfigDict:
    """The config that the run in a workdir was trained with.

    Raises:
        errors.BadInput: there is no checkpoint.
    """
    with open_checkpoints(workdir) as checkpoints:
        meta = checkpoints.read_meta(checkpoints.latest_step() or 0)
    return ml_collections.ConfigDict(meta["config"])


def dummy_inputs(
    config: ml_collections.ConfigDict, inputs: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Batch fields of the right shapes for one clip, to initialise a network with."""
    data = config.data
    sizes: dict[str | int, int] = {
        "T": data.frames,
        "N": data.num_points,
        "S": data.crop_size,
        "J": skeleton.by_name(data.skeleton).num_joints,
        "H": data.get("height", 0),
        "W": data.get("width", 0),
        "P": data.get("max_people", 0),
    }
    known = schema.FIELDS | schema.OPTIONAL_FIELDS | schema.IMAGE_FIELDS
    fields = {name: known[name] for name in inputs}
    return {
        name: np.zeros([1, *(int(sizes.get(axis, axis)) for axis in shape)], dtype)
        for name, (shape, dtype, _) in fields.items()
    }


def _restore(config, recipe, checkpoints, workdir, step):
    """The state of a step, or of before the first if `step` is None."""
    state = _init_state(config, recipe)
    if step is None:
        return state, None
    meta = checkpoints.read_meta(step)
    checkpoint.check_model(meta, config, workdir)
    return checkpoints.restore(step, state), meta["position"]


def _init_state(
    config: ml_collections.ConfigDict, recipe: recipes.Recipe
) -> train_state.TrainState:
    """The state before the first step."""
    return train_state.create(
        recipe.network,
        optimizer.make_optimizer(config.optimizer, config.num_train_steps),
        dummy_inputs(config, recipe.inputs),
        jax.random.fold_in(jax.random.key(config.seed), _INITIAL),
    )
