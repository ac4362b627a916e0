"""A fresh network starts with the weights of a trained one, or with its backbone."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from data_pipelines.ground import file_io
from unipose_jax import errors
from unipose_jax.train import optimizer
from unipose_jax.train import state as train_state
from unipose_jax.train.checkpoints import checkpoint, folders, restore
from unipose_jax.weights import store

ParamPath = tuple[str, ...]


SHIPPED = "shipped"
"""`config.init_weights` for the weights that come with the package."""


def shipped_names() -> list[str]:
    """Names of the weights that come with the package."""
    return sorted(each.stem for each in store.FOLDER.glob("*.npz"))


def is_shipped(path: str) -> bool:
    """Whether `config.init_weights` names weights that come with the package."""
    return path in (SHIPPED, *shipped_names())


def weights_path(path: str, modality: str) -> pathlib.Path:
    """Where the weights that `config.init_weights` names are, without suffix.

    Args:
        path: of the weights, without suffix; the name of weights that come with the
            package; or `SHIPPED` for those of the stage.
        modality: of the stage.

    Raises:
        errors.BadInput: there are none.
    """
    where = pathlib.Path(path).expanduser()
    if is_shipped(path):
        where = store.FOLDER / (modality if path == SHIPPED else path)
    for suffix in (".npz", ".json"):
        if not where.with_name(where.name + suffix).is_file():
            raise errors.BadInput(
                f"config.init_weights: there is no {where}{suffix}; those that ship "
                f"are {SHIPPED}, {', '.join(shipped_names())}"
            )
    return where


def load_weights(
    state: train_state.TrainState, path: str, modality: str
) -> train_state.TrainState:
    """A fresh state with exported weights (`estimator.export`).

    Args:
        state: of the network to train, which may have more modules.
        path: see `weights_path`.
        modality: of the stage.

    Raises:
        errors.BadInput: there are no such weights, they cannot be read, or they are of
            another network.
    """
    where = weights_path(path, modality)
    try:
        params, _ = store.load(where)
    except (OSError, ValueError, *file_io.DAMAGED_NPZ) as error:
        raise errors.BadInput(
            f"config.init_weights: {where}.npz cannot be read: {error}"
        ) from error
    return restore.with_params(params, state, setting="config.init_weights")


def load_backbone(
    state: train_state.TrainState, workdir: pathlib.Path
) -> train_state.TrainState:
    """A fresh state with the backbone of the run in `workdir`.

    It copies the averaged parameters of that run's best checkpoint. Two backbones are
    the same if their parameters have the same names and shapes, in any network.

    Raises:
        errors.BadInput: there is no such run, it has no backbone, or another one.
    """
    folder = _backbone_folder(workdir)
    params = traverse_util.flatten_dict(state.params)
    here, ours = _split_backbone(state.params, "config.model")
    our_shapes = {name: np.shape(value) for name, value in ours.items()}
    with restore.open_checkpoints(folder) as checkpoints:
        step = checkpoints.best_step() or 0
        there, shapes = _split_backbone(
            checkpoints.read_shapes(step)["ema_params"], folder
        )
        _check_same(shapes, our_shapes, folder)
        wanted = {there + name: ours[name] for name in shapes}
        found = checkpoints.restore_partial(
            step, {"ema_params": traverse_util.unflatten_dict(wanted)}
        )
    _, theirs = _split_backbone(found["ema_params"], folder)
    params |= {here + name: value for name, value in theirs.items()}
    started = traverse_util.unflatten_dict(params)
    return state.replace(params=started, ema_params=started)


def _backbone_folder(workdir: pathlib.Path) -> pathlib.Path:
    """Where the run with a backbone is: a student of colour, or the workdir itself."""
    below = folders.folder_of(workdir, "rgb")
    return below if checkpoint.Checkpoints(below).exist() else workdir


def _split_backbone(
    tree: Mapping[str, Any], where: object
) -> tuple[ParamPath, dict[ParamPath, Any]]:
    """Where a tree has its backbone, and the leaves of that by their names within it.

    Raises:
        errors.BadInput: there is none, or there are several.
    """
    leaves = traverse_util.flatten_dict(tree)
    inside = [names for names in leaves if optimizer.BACKBONE in names]
    roots = {names[: names.index(optimizer.BACKBONE) + 1] for names in inside}
    if len(roots) != 1:
        raise errors.BadInput(
            f"config.init_backbone: {where} has {len(roots)} image networks; expected "
            "one"
        )
    root = roots.pop()
    return root, {names[len(root) :]: leaves[names] for names in inside}


def _check_same(theirs: dict, ours: dict, folder: pathlib.Path) -> None:
    if theirs == ours:
        return
    name = min(n for n in theirs | ours if theirs.get(n) != ours.get(n))
    raise errors.BadInput(
        f"config.init_backbone: {folder} has another backbone than config.model: "
        f"{'/'.join(name)} is {theirs.get(name)} there and {ours.get(name)} here"
    )
