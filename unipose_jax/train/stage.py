"""A stage of a run, resolved: everything that training and evaluation read."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from data_pipelines.ground import settings as data_settings
from unipose_jax import skeleton
from unipose_jax.train import settings
from unipose_jax.train.recipes import Recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One network to train: its settings, its recipe and its folder.

    `plan.resolve` makes it; nothing below reads a config or looks for other runs.

    Attributes:
        name: "points", "depth" or "rgb", after the network's input.
        method: name of the recipe, `config.recipe`.
        recipe: network, loss terms and augmentation.
        folder: of checkpoints, log and report.
        data: which clips.
        model: `config.model`.
        optimizer: learning rate, weight decay and so on.
        teacher: where pseudo-labels come from; None if the config has no teacher.
        init_backbone: workdir of the run whose backbone is the initial one, or "".
        init_weights: exported weights that are the initial ones, or "".
        seed: of parameters, augmentation and the order of examples.
        num_steps: length of the run.
        batch_size: examples over all devices of all hosts.
        log_every: steps.
        checkpoint_every: steps.
        config: the stage's config, JSON-able; checkpoints keep it.
        remat: see `step.make_train_step`.
    """

    name: str
    method: str
    recipe: Recipe
    folder: pathlib.Path
    data: data_settings.DataSettings
    model: Mapping[str, Any]
    optimizer: settings.OptimizerSettings
    teacher: settings.TeacherSettings | None
    init_backbone: str
    init_weights: str
    seed: int
    num_steps: int
    batch_size: int
    log_every: int
    checkpoint_every: int
    config: Mapping[str, Any]
    remat: bool = False

    @property
    def skeleton(self) -> skeleton.Skeleton:
        """Of the joints that the network estimates."""
        return skeleton.by_name(self.data.skeleton)

    @property
    def starts_from_teacher(self) -> bool:
        """Whether the initial parameters are the teacher's."""
        return self.teacher is not None and self.teacher.init_from_teacher

    @property
    def needs_teacher(self) -> bool:
        """Whether training reads a teacher's joints or parameters."""
        return self.recipe.needs_teacher or self.starts_from_teacher
