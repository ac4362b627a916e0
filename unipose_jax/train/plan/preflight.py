"""What is wrong with a run is said before it trains, not hours later."""

import math
import os
import pathlib

import ml_collections

from data_pipelines.ground import settings
from data_pipelines.loading import sources
from data_pipelines.rendered import clip_pool
from unipose_jax import errors
from unipose_jax.train import recipes
from unipose_jax.train import teacher as teachers
from unipose_jax.train.checkpoints import checkpoint, folders
from unipose_jax.train.evaluation import evaluate
from unipose_jax.train.plan import stages
from unipose_jax.train.recipes import config_checks

_COUNTS = ("num_train_steps", "global_batch_size", "log_every", "checkpoint_every")
_DATA_COUNTS = ("frames", "frame_step")
_MAY_BE_ZERO = ("head_depth",)  # layers
_DTYPES = ("float32", "bfloat16", "float16")


def check_stages(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> None:
    """Says what is wrong with any stage before the first one trains.

    Raises:
        errors.BadInput: a setting that does not exist, data that a stage cannot use, a
            teacher that is not there, or a workdir that cannot be written to.
    """
    data = settings.DataSettings.from_config(config.data)
    if data.renders:
        clip_pool.check_counts(data)
    for modality in stages.requested_stages(config):
        stage = stages.stage_config(config, modality, workdir)
        _check_numbers(stage)
        recipe, folder = recipes.build(stage), folders.folder_of(workdir, modality)
        needed = set(recipe.fields) - set(teachers.FIELDS)
        if _needs_teacher(recipe, stage, folder):
            if _trains_teacher_first(config, stage):
                points = stages.stage_config(config, "points", workdir)
                teachers.check_crops(points, stage)
            else:
                needed |= set(teachers.check_teacher(stage, folder))
        if config.data.data_dir:
            split = sources.open_split(
                settings.DataSettings.from_config(stage.data), "validation"
            )
            evaluate.check_fields(split, needed, stage)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.BadInput(f"--workdir={workdir}: {error.strerror}") from error
    if not os.access(workdir, os.W_OK):
        raise errors.BadInput(f"--workdir={workdir} cannot be written to")


def _check_numbers(config: ml_collections.ConfigDict) -> None:
    """Refuses counts and sizes of nothing, and seeds below 0."""
    least = dict.fromkeys(_COUNTS, 1) | {"seed": 0}
    least |= {f"data.{name}": 1 for name in _DATA_COUNTS if name in config.data}
    least |= {"data.seed": 0} if "seed" in config.data else {}
    least |= {
        f"model.{name}": 0 if name in _MAY_BE_ZERO else 1
        for name, value in config.model.items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    numbers = config.to_dict()
    for key, bound in least.items():
        section, _, name = key.rpartition(".")
        number = (numbers[section] if section else numbers)[name]
        if number < bound:
            raise errors.BadInput(f"config.{key} is {number}; use {bound} or more")
    config_checks.check_choice(config, "model.dtype", _DTYPES)
    optimizer = config.optimizer
    if not 0.0 < optimizer.learning_rate < math.inf:
        raise errors.BadInput(
            f"config.optimizer.learning_rate is {optimizer.learning_rate}; use a "
            "positive number"
        )
    if not 0.0 <= optimizer.ema_decay < 1.0:
        raise errors.BadInput(
            f"config.optimizer.ema_decay is {optimizer.ema_decay}; use 0 or more, "
            "below 1"
        )


def _needs_teacher(
    recipe: recipes.Recipe, config: ml_collections.ConfigDict, folder: pathlib.Path
) -> bool:
    """Whether a stage has yet to learn from a teacher, or to start with one."""
    teacher = config.get("teacher", {})
    needed = recipe.needs_teacher or teacher.get("init_from_teacher", False)
    return needed and not _is_finished(config, folder)


def _trains_teacher_first(
    config: ml_collections.ConfigDict, stage: ml_collections.ConfigDict
) -> bool:
    """Whether a student's teacher is yet to be trained, before it in the same run."""
    first = stage.recipe == "stage2" and "points" in stages.requested_stages(config)
    return first and not stage.teacher.workdir


def _is_finished(config: ml_collections.ConfigDict, folder: pathlib.Path) -> bool:
    """Whether the run of a stage has its last checkpoint."""
    step = checkpoint.latest_step(folder)
    return step is not None and step >= config.num_train_steps
