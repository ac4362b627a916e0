"""Config, flags and disk become a plan: frozen, typed stages. Called once per run."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from data_pipelines.ground import settings as data_settings
from unipose_jax import errors, models
from unipose_jax.train import recipes, settings
from unipose_jax.train.checkpoints import checkpoint, folders
from unipose_jax.train.plan import checks, stage_values
from unipose_jax.train.stage import Stage


@dataclasses.dataclass(frozen=True)
class Plan:
    """The stages of a run.

    Attributes:
        workdir: of the run.
        stages: those that the config asks for or that `workdir` holds, points first.
        requested: names of the stages to train.
    """

    workdir: pathlib.Path
    stages: tuple[Stage, ...]
    requested: tuple[str, ...]

    def stage(self, name: str) -> Stage:
        """The stage of this name."""
        return next(stage for stage in self.stages if stage.name == name)


def resolve(config: Any, workdir: pathlib.Path, *, training: bool) -> Plan:
    """The plan of a run, with every setting checked.

    Args:
        config: as the files in `configs/` build it, or a dict of the same values.
        workdir: of the run; checkpoints in it decide what a student learns from.
        training: whether stages will be trained: checks their teachers and data, and
            makes `workdir`. Otherwise the plan holds the stages in `workdir`.

    Raises:
        errors.BadInput: one line: a setting that does not exist, data that a stage
            cannot use, a teacher that is missing, or a workdir that is not writable.
    """
    values = _plain(config)
    trained = folders.trained_stages(workdir)
    requested = stage_values.requested_stages(values) if training else ()
    names = {*requested, *(trained or ("points",) if not training else trained)}
    stages = tuple(
        resolve_stage(values, workdir, name, points_first="points" in requested)
        for name in folders.MODALITIES
        if name in names
    )
    plan = Plan(workdir, stages, requested)
    if training:
        for name in requested:
            checks.check_training(plan.stage(name), _teacher_stage(plan, name))
        checks.make_workdir(workdir)
    return plan


def of_run(workdir: pathlib.Path, *, data_dir: str = "") -> Plan:
    """The plan of a run from the configs in its checkpoints.

    Args:
        workdir: of the run.
        data_dir: folder of prepared data sets, if not that of the training.

    Raises:
        errors.BadInput: no checkpoint, or the network is not one of the package.
    """
    names = folders.trained_stages(workdir) or ("points",)
    stages = tuple(stage_of_run(workdir, name, data_dir=data_dir) for name in names)
    return Plan(workdir, stages, ())


def stage_of_run(workdir: pathlib.Path, name: str, *, data_dir: str = "") -> Stage:
    """One stage of a run, see `of_run`.

    Args:
        workdir: of the run.
        name: one of `folders.MODALITIES`.
        data_dir: folder of prepared data sets, if not that of the training.

    Raises:
        errors.BadInput: no checkpoint, or the network is not one of the package.
    """
    folder = folders.folder_of(workdir, name)
    meta = checkpoint.latest_meta(folder)
    if meta is None:
        if trained := folders.trained_stages(workdir):
            raise errors.BadInput(
                f"the run in {workdir} has no network for {name}, but for "
                f"{', '.join(trained)}"
            )
        raise errors.BadInput(f"no checkpoint in {folder}; train there first")
    values = meta["config"]
    if (network := values["model"]["name"]) not in models.NETWORKS:
        raise errors.BadInput(
            f"the run in {workdir} has the network {network!r}, which is not of the "
            "package; give the --config=FILE that registers it"
        )
    if data_dir:
        values = {**values, "data": {**values["data"], "data_dir": data_dir}}
    return make_stage(values, folder, name)


def resolve_stage(
    config: Any, workdir: pathlib.Path, name: str, *, points_first: bool = False
) -> Stage:
    """One stage of a run.

    Args:
        config: the whole config.
        workdir: of the run.
        name: one of `folders.MODALITIES`.
        points_first: whether the points are trained in `workdir` before this stage.

    Raises:
        errors.BadInput: a setting is wrong, or there is no such stage.
    """
    values = stage_values.of_stage(
        _plain(config), name, workdir, points_first=points_first
    )
    return make_stage(values, folders.folder_of(workdir, name), name)


def make_stage(values: Any, folder: pathlib.Path, name: str = "points") -> Stage:
    """A stage from its own values.

    Args:
        values: from `stage_values.of_stage`, or the config in a checkpoint's meta.
        folder: of the stage.
        name: one of `folders.MODALITIES`.

    Raises:
        errors.BadInput: a setting is wrong.
    """
    values = _plain(values)
    checks.check_numbers(values)
    data = data_settings.DataSettings.from_config(values["data"])
    section = values.get("teacher")
    return Stage(
        name=name,
        method=values["recipe"],
        recipe=recipes.build(values, data),
        folder=folder,
        data=data,
        model=values["model"],
        optimizer=settings.parse(
            settings.OptimizerSettings, values["optimizer"], "optimizer"
        ),
        teacher=section
        and settings.parse(settings.TeacherSettings, section, "teacher"),
        init_backbone=values.get("init_backbone", ""),
        init_weights=values.get("init_weights", ""),
        seed=values["seed"],
        num_steps=values["num_train_steps"],
        batch_size=values["global_batch_size"],
        log_every=values["log_every"],
        checkpoint_every=values["checkpoint_every"],
        config=checkpoint.to_json(values),
        remat=bool(values.get("remat", False)),
    )


def _teacher_stage(plan: Plan, name: str) -> Stage | None:
    """The stage of points that will be trained in this run and then teach `name`."""
    teacher = plan.stage(name).teacher
    from_run = teacher is not None and teacher.workdir == stage_values.OWN_POINTS
    if name == "points" or not from_run or "points" not in plan.requested:
        return None
    return plan.stage("points")


def _plain(config: Any) -> Mapping[str, Any]:
    """The values of a config as a dict."""
    return config.to_dict() if hasattr(config, "to_dict") else config
