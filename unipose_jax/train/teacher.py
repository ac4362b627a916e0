"""Pseudo-labels: a trained point network says where joints are, and students learn it.

The teacher is frozen by construction: clips are labelled before a student sees them,
and only the labels reach its training step.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import ml_collections
import numpy as np
import tqdm

from unipose_jax import errors, models, skeleton
from unipose_jax.train import parallel
from unipose_jax.train.checkpoints import checkpoint, restore
from unipose_jax.train.evaluation import evaluate
from unipose_jax.train.recipes import stage1
from unipose_jax.weights import store

FIELDS = stage1.TEACHER_FIELDS


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
        with tqdm.tqdm(
            total=len(source),
            desc="label",
            unit="clip",
            mininterval=1.0,
            disable=not parallel.is_main_process(),
        ) as bar:
            found = evaluate.predict_split(
                self._predict,
                self._replicated,
                source,
                batch_size=size,
                progress=lambda done: bar.update(done - bar.n),
            )
        return PseudoLabeledSource(source, _teacher_fields(found))

    def label_batches(self, batches) -> "PseudoLabeledBatches":
        """An endless stream of batches with labels; labels each when it is drawn."""
        return PseudoLabeledBatches(batches, self)

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
        """Example `index`; `rng` as of the source. Its labels are always the same."""
        return self._source.example(index, rng) | self._at(index)

    def _at(self, index: int) -> dict[str, np.ndarray]:
        return {name: value[index] for name, value in self._labels.items()}


class PseudoLabeledBatches:
    """A stream of batches that carry a teacher's joints."""

    def __init__(self, batches, teacher: Teacher):
        """Takes a stream with `get_state` and `set_state`."""
        self._batches, self._teacher = batches, teacher

    def __next__(self) -> dict[str, Any]:
        batch = next(self._batches)
        return batch | self._teacher(batch)

    def get_state(self) -> dict[str, Any]:
        """The position in the data, JSON-able."""
        return self._batches.get_state()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes to a position from `get_state`."""
        self._batches.set_state(state)


def load(config: ml_collections.ConfigDict, folder: pathlib.Path) -> Teacher:
    """The teacher of a student's config: a trained run, or the weights that ship.

    A run that has not come to its end may teach, with a line that says so.

    Args:
        config: with `teacher.workdir`, a stage-1 run, or "" for shipped weights.
        folder: of the student's run, where a relative `teacher.workdir` starts.

    Raises:
        errors.BadInput: there is no such run, or its skeleton is another one.
    """
    inputs, size = check_teacher(config, folder), config.global_batch_size
    if config.teacher.workdir:
        where = _teacher_workdir(config, folder)
        settings, step = restore.read_config(where), checkpoint.latest_step(where) or 0
        if step < settings.num_train_steps and parallel.is_main_process():
            end = settings.num_train_steps
            print(f"the teacher in {where} stopped at step {step:,} of {end:,}")
        _, state = restore.restore_best(settings, where)
        apply_fn, params = state.apply_fn, state.ema_params
    else:
        params, meta = store.load()
        joints = skeleton.by_name(meta["skeleton"]).num_joints
        apply_fn = models.build(meta["model"], num_joints=joints).apply
    return Teacher(apply_fn, params, inputs=inputs, batch_size=size)


def check_teacher(
    config: ml_collections.ConfigDict, folder: pathlib.Path
) -> tuple[str, ...]:
    """The batch fields that a teacher takes, without building its network.

    Args:
        config: as of `load`.
        folder: likewise.

    Raises:
        errors.BadInput: there is no such run, its skeleton is another one, or its crops
            have another size.
    """
    if config.teacher.workdir:
        where = _teacher_workdir(config, folder)
        settings = restore.read_config(where)
        if settings.recipe != "stage1":
            raise errors.BadInput(
                f"a teacher is a run of recipe stage1; {where} holds one of "
                f"{settings.recipe}"
            )
        model, name = settings.model.to_dict(), settings.data.skeleton
        check_crops(settings, config)
    else:
        where = store.FOLDER / store.SHIPPED
        meta = store.read_meta(where)
        model, name = meta["model"], meta["skeleton"]
    if name != config.data.skeleton:
        raise errors.BadInput(
            f"the teacher in {where} knows the joints of {name}, the student is to "
            f"learn {config.data.skeleton}"
        )
    return models.input_fields(model)


def check_crops(
    points: ml_collections.ConfigDict, student: ml_collections.ConfigDict
) -> None:
    """Refuses points that look at crops of another size than the student they teach.

    Raises:
        errors.BadInput: they do.
    """
    seen, given = points.data.crop_size, student.data.crop_size
    if models.modalities(points.model.get("fusion", "none"))[1:] and seen != given:
        raise errors.BadInput(
            f"the teacher looks at crops of {seen} pixels, the student at crops of "
            f"{given} (config.student.crop_size)"
        )


def _teacher_workdir(
    config: ml_collections.ConfigDict, folder: pathlib.Path
) -> pathlib.Path:
    return (folder / config.teacher.workdir).resolve()


def _teacher_fields(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "teacher_xyz": found["xyz"].astype(np.float32),
        "teacher_confidence": found["confidence"].astype(np.float32),
    }
