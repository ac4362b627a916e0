"""Checks of a stage before it trains; each error is one line that names the setting."""

import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from data_pipelines.loading import sources
from data_pipelines.rendered import clip_pool
from unipose_jax import errors, models
from unipose_jax.train import teacher as teachers
from unipose_jax.train.checkpoints import checkpoint, pretrained
from unipose_jax.train.evaluation import evaluate
from unipose_jax.train.recipes import config_checks
from unipose_jax.train.stage import Stage

_COUNTS = ("num_train_steps", "global_batch_size", "log_every", "checkpoint_every")
_DATA_COUNTS = ("frames", "frame_step")
_MAY_BE_ZERO = ("head_depth", "depth_bins")


def check_numbers(values: Mapping[str, Any]) -> None:
    """Refuses counts and sizes of nothing, and seeds below 0.

    Args:
        values: of a stage.

    Raises:
        errors.BadInput: names the setting.
    """
    least = dict.fromkeys(_COUNTS, 1) | {"seed": 0}
    least |= {f"data.{name}": 1 for name in _DATA_COUNTS if name in values["data"]}
    least |= {"data.seed": 0} if "seed" in values["data"] else {}
    least |= {
        f"model.{name}": 0 if name in _MAY_BE_ZERO else 1
        for name, value in values["model"].items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    for key, bound in least.items():
        section, _, name = key.rpartition(".")
        number = (values[section] if section else values)[name]
        if number < bound:
            raise errors.BadInput(f"config.{key} is {number}; use {bound} or more")
    rate = values["optimizer"]["learning_rate"]
    if not 0.0 < rate < math.inf:
        raise errors.BadInput(
            f"config.optimizer.learning_rate is {rate}; use a positive number"
        )
    decay = values["optimizer"].get("ema_decay", 0.0)
    if not 0.0 <= decay < 1.0:
        raise errors.BadInput(
            f"config.optimizer.ema_decay is {decay}; use 0 or more, below 1"
        )


def check_training(stage: Stage, points: Stage | None) -> None:
    """Refuses a stage that cannot be trained.

    Args:
        stage: to be trained.
        points: the stage that is trained first in the same run and then teaches
            `stage`; None if its teacher exists already.

    Raises:
        errors.BadInput: its data lack fields, its teacher does not fit, or there are
            no weights to start from.
    """
    if stage.method in ("stage1", "stage2"):
        frames = stage.data.frames
        names = (term.name for term in stage.recipe.objective.terms)
        config_checks.check_frames(names, frames, f"config.data.frames is {frames}")
    if stage.init_weights:
        pretrained.weights_path(stage.init_weights, stage.name)
    if stage.data.renders:
        clip_pool.check_counts(stage.data)
    needed = set(stage.recipe.fields) - set(teachers.FIELDS)
    if stage.needs_teacher and not _is_finished(stage):
        if points is None:
            needed |= set(check_teacher(stage).inputs)
        else:
            _check_crops(points.model, points.data.crop_size, stage)
    if stage.data.data_dir:
        split = sources.open_split(stage.data, "validation")
        evaluate.check_fields(
            split, needed, data=stage.data.name, consumer=stage.model["name"]
        )


def check_teacher(stage: Stage) -> teachers.Origin:
    """The teacher of a stage, found but not loaded.

    Raises:
        errors.BadInput: there is no such run, its skeleton is another one, or its crops
            have another size.
    """
    found = teachers.find(stage)
    if found.skeleton != stage.data.skeleton:
        raise errors.BadInput(
            f"the teacher in {found.folder} has the joints of {found.skeleton}, the "
            f"student is to learn {stage.data.skeleton}"
        )
    _check_crops(found.model, found.crop_size, stage)
    return found


def make_workdir(workdir: pathlib.Path) -> None:
    """Makes the folder of a run.

    Raises:
        errors.BadInput: it cannot be made or written to.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.BadInput(f"--workdir={workdir}: {error.strerror}") from error
    if not os.access(workdir, os.W_OK):
        raise errors.BadInput(f"--workdir={workdir} cannot be written to")


def _check_crops(model: Mapping[str, Any], size: int, student: Stage) -> None:
    """Refuses a fusion whose crops have another size than those of its student."""
    wanted = student.data.crop_size
    if models.modalities(model.get("fusion", "none"))[1:] and size != wanted:
        raise errors.BadInput(
            f"the teacher uses crops of {size} pixels, the student crops of {wanted} "
            "(config.student.crop_size)"
        )


def _is_finished(stage: Stage) -> bool:
    """Whether the run of a stage has its last checkpoint."""
    step = checkpoint.latest_step(stage.folder)
    return step is not None and step >= stage.num_steps
