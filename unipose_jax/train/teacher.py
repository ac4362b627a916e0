"""Pseudo-labels: the joints that a trained point network predicts, for students.

The teacher is frozen: clips get their labels before the student's training step, which
receives the labels only.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from unipose_jax import errors, models, progress, skeleton
from unipose_jax.train import parallel
from unipose_jax.train.checkpoints import checkpoint, restore
from unipose_jax.train.evaluation import evaluate
from unipose_jax.train.recipes import unipose_terms
from unipose_jax.train.stage import Stage
from unipose_jax.weights import store

FIELDS = unipose_terms.TEACHER_FIELDS


class Teacher:
    """A trained point network that adds its joints to clips, as fields `FIELDS`."""

    def __init__(
        self, apply_fn: Callable, params, *, inputs: tuple[str, ...], batch_size: int
    ):
        """Takes a network.

        Args:
            apply_fn: `apply_fn(params, **inputs)` returns a `models.PoseEstimate`.
            params: its parameters, one copy.
            inputs: the batch fields that it takes.
            batch_size: clips labelled at a time over all hosts.
        """
        self.inputs, self.params = inputs, params
        self._predict = evaluate.make_predict(apply_fn, inputs)
        self._replicated = parallel.replicate(params)
        self._batch_size = batch_size

    def label_source(self, source) -> "PseudoLabeledSource":
        """A random-access source with labels; labels every clip at once."""
        size = evaluate.choose_batch_size(
            source, self._batch_size, description="what the teacher is to label"
        )
        quiet = not parallel.is_main_process()
        with progress.Bar(len(source), "label", "clip", disable=quiet) as bar:
            found = evaluate.predict_split(
                self._predict,
                self._replicated,
                source,
                batch_size=size,
                progress=lambda done: bar.update(done - bar.n),
            )
        return PseudoLabeledSource(source, _teacher_fields(found))

    def label_batches(self, batches):
        """A `grain.MapDataset` of batches with labels; labels each when it is drawn."""
        return batches.map(lambda batch: batch | self(batch))

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The labels of one host's share of a batch, on its devices."""
        return _teacher_fields(self._predict(self._replicated, batch))


class PseudoLabeledSource:
    """A source whose examples carry a teacher's joints."""

    def __init__(self, source, labels: Mapping[str, np.ndarray]):
        """Takes a source and its labels, stacked in its order."""
        self._source, self._labels = source, labels

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return self._source[index] | self._at(index)

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Example `index`, drawn by `rng`; its labels do not depend on `rng`."""
        return self._source.example(index, rng) | self._at(index)

    def _at(self, index: int) -> dict[str, np.ndarray]:
        return {name: value[index] for name, value in self._labels.items()}


class Origin(NamedTuple):
    """Where a teacher comes from, and what it is.

    Attributes:
        folder: of its run, or of the weights that ship.
        ships: whether its weights come with the package.
        model: `config.model` of its network.
        skeleton: name of the skeleton of its joints.
        crop_size: of its crops, pixels; of a fusion only.
    """

    folder: pathlib.Path
    ships: bool
    model: Mapping[str, Any]
    skeleton: str
    crop_size: int

    @property
    def inputs(self) -> tuple[str, ...]:
        """The batch fields that it takes."""
        return models.input_fields(self.model)


def find(stage: Stage) -> Origin:
    """The teacher of a stage, without loading its parameters.

    Args:
        stage: `teacher.workdir` is a stage-1 run, relative to the stage's folder, or ""
            for the weights that ship.

    Raises:
        errors.BadInput: there is no such run.
    """
    where = stage.teacher.workdir if stage.teacher else ""
    if not where:
        folder = store.FOLDER / store.SHIPPED
        meta = store.read_meta(folder)
        size = meta.get("crop_size", 0)
        return Origin(folder, True, meta["model"], meta["skeleton"], size)
    folder = (stage.folder / where).resolve()
    config = restore.read_config(folder)
    if config["recipe"] != "stage1":
        raise errors.BadInput(
            f"a teacher is a run of recipe stage1; {folder} holds one of "
            f"{config['recipe']}"
        )
    data = config["data"]
    return Origin(folder, False, config["model"], data["skeleton"], data["crop_size"])


def load(stage: Stage) -> Teacher:
    """The teacher of a stage, which `plan.resolve` has checked.

    An unfinished run may teach; a line is printed.

    Raises:
        errors.BadInput: there is no such run, or its checkpoint cannot be read.
    """
    origin = find(stage)
    joints = skeleton.by_name(origin.skeleton).num_joints
    network = models.build(origin.model, num_joints=joints)
    if origin.ships:
        params, _ = store.load()
    else:
        params = restore.restore_params(origin.folder)
        _report_progress(origin.folder)
    return Teacher(
        network.apply, params, inputs=origin.inputs, batch_size=stage.batch_size
    )


def _report_progress(folder: pathlib.Path) -> None:
    """Prints that a teacher's run is unfinished, if it is."""
    end = restore.read_config(folder)["num_train_steps"]
    step = checkpoint.latest_step(folder) or 0
    if step < end and parallel.is_main_process():
        print(f"the teacher in {folder} stopped at step {step:,} of {end:,}")


def _teacher_fields(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "teacher_xyz": found["xyz"].astype(np.float32),
        "teacher_confidence": found["confidence"].astype(np.float32),
    }
