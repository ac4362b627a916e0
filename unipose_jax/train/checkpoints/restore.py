"""From a workdir to a training state: the latest checkpoint, the best, or none yet."""

import pathlib
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from data_pipelines.ground import schema, settings
from unipose_jax import errors, skeleton
from unipose_jax.train import optimizer
from unipose_jax.train import state as train_state
from unipose_jax.train.checkpoints import checkpoint
from unipose_jax.train.stage import Stage

_INITIAL = np.uint32(2**32 - 1)
"""Folded into the seed for initial weights; steps, of 31 bits, fold in their number."""


def restore_or_init(
    stage: Stage, checkpoints: checkpoint.Checkpoints
) -> tuple[train_state.TrainState, dict[str, Any] | None]:
    """The latest state and its position in the data, or a fresh state and None.

    Raises:
        errors.BadInput: the checkpoint is of another model.
    """
    state, step = _init_state(stage), checkpoints.latest_step()
    if step is None:
        return state, None
    meta = checkpoints.read_meta(step)
    checkpoint.check_model(meta, stage.config, stage.folder)
    return checkpoints.restore(step, state), meta["position"]


def restore_best(stage: Stage) -> train_state.TrainState:
    """The best step of a stage's run and its averaged parameters.

    Raises:
        errors.BadInput: there is no checkpoint, or it is of another model.
    """
    with open_checkpoints(stage.folder) as checkpoints:
        step = checkpoints.best_step()
        assert step is not None  # there is one at least
        meta = checkpoints.read_meta(step)
        checkpoint.check_model(meta, stage.config, stage.folder)
        state = _init_state(stage)
        # The optimizer of the run may have been another.
        used = {"step": state.step, "ema_params": state.ema_params}
        return state.replace(**checkpoints.restore_partial(step, used))


def restore_params(workdir: pathlib.Path) -> dict[str, Any]:
    """The averaged parameters of the best checkpoint in a workdir.

    Raises:
        errors.BadInput: there is no checkpoint.
    """
    with open_checkpoints(workdir) as checkpoints:
        step = checkpoints.best_step()
        assert step is not None  # there is one at least
        shapes = checkpoints.read_shapes(step)["ema_params"]
        empty = jax.tree.map(
            lambda shape: np.zeros(shape, np.float32),
            shapes,
            is_leaf=lambda node: isinstance(node, tuple),
        )
        return checkpoints.restore_partial(step, {"ema_params": empty})["ema_params"]


def with_params(
    params, state: train_state.TrainState, *, setting: str
) -> train_state.TrainState:
    """A fresh state with the parameters of a network that is the same or has less.

    Modules that only the new network has keep their initial values: an input, such as
    keypoints, or a head can be added to a trained network.

    Args:
        params: of the trained network.
        state: of the new one.
        setting: the setting that names the trained network, for errors.

    Raises:
        errors.BadInput: they are of another network.
    """
    theirs, ours = (traverse_util.flatten_dict(tree) for tree in (params, state.params))
    for path in sorted(theirs):
        there, here = (np.shape(tree.get(path)) for tree in (theirs, ours))
        if path not in ours or there != here:
            raise errors.BadInput(
                f"{setting}: the weights are of another network than config.model: "
                f"{'/'.join(path)} is {there} there and "
                f"{here if path in ours else 'missing'} here"
            )
    added = sorted({"/".join(path[:2]) for path in ours.keys() - theirs.keys()})
    if added and jax.process_index() == 0:
        print(f"{setting}: no {', '.join(added)} there; training starts these anew")
    merged = traverse_util.unflatten_dict({**ours, **theirs})
    return state.replace(params=merged, ema_params=merged)


def open_checkpoints(workdir: pathlib.Path) -> checkpoint.Checkpoints:
    """The checkpoints in a workdir, of which there is one at least.

    Raises:
        errors.BadInput: there is none.
    """
    checkpoints = checkpoint.Checkpoints(workdir)
    if not checkpoints.exist():
        raise errors.BadInput(f"no checkpoint in {workdir}; train there first")
    if checkpoints.latest_step() is None:
        checkpoints.close()
        raise errors.BadInput(f"no finished checkpoint in {workdir}; train there first")
    return checkpoints


def read_config(workdir: pathlib.Path) -> dict[str, Any]:
    """The config that the run in a workdir was trained with.

    Raises:
        errors.BadInput: there is no checkpoint.
    """
    with open_checkpoints(workdir) as checkpoints:
        return checkpoints.read_meta(checkpoints.latest_step() or 0)["config"]


def dummy_inputs(
    data: settings.DataSettings, inputs: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Batch fields of the right shapes for one clip, to initialize a network with."""
    sizes: dict[str | int, int] = {
        "T": data.frames,
        "N": data.num_points,
        "S": data.crop_size,
        "J": skeleton.by_name(data.skeleton).num_joints,
        "H": data.height,
        "W": data.width,
        "P": data.max_people,
    }
    known = schema.FIELDS | schema.OPTIONAL_FIELDS | schema.IMAGE_FIELDS
    fields = {name: known[name] for name in inputs}
    return {
        name: np.zeros([1, *(int(sizes.get(axis, axis)) for axis in shape)], dtype)
        for name, (shape, dtype, _) in fields.items()
    }


def _init_state(stage: Stage) -> train_state.TrainState:
    """The state before the first step."""
    return train_state.create(
        stage.recipe.network,
        optimizer.make_optimizer(
            stage.optimizer,
            stage.num_steps,
            has_head=bool(stage.model.get("convention_head")),
        ),
        dummy_inputs(stage.data, stage.recipe.inputs),
        jax.random.fold_in(jax.random.key(stage.seed), _INITIAL),
    )
