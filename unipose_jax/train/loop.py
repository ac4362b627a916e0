"""The training loop, the only one."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

import jax

from data_pipelines.loading import sources
from unipose_jax import progress
from unipose_jax.train import (
    interrupt,
    metric_writer,
    optimizer,
    parallel,
    prefetch,
)
from unipose_jax.train import state as train_state
from unipose_jax.train import step as train_step
from unipose_jax.train import teacher as teachers
from unipose_jax.train.checkpoints import checkpoint, pretrained, restore
from unipose_jax.train.evaluation import evaluate
from unipose_jax.train.stage import Stage


def train(stage: Stage) -> bool:
    """Trains a stage, or continues its run.

    Every random choice is a function of (`stage.seed`, step, place in the global
    batch), and checkpoints hold the position in the data, so an interrupted run ends
    as an uninterrupted one. SIGTERM and SIGINT save and end the run.

    A run of more steps than `stage.folder` was trained for continues from its latest
    checkpoint. From there on the learning rate and the ramp of the loss weights follow
    the schedule of the new length.

    Returns:
        Whether training is complete; False if a signal ended it early.

    Raises:
        metric_writer.NonFiniteLoss: names the step and the term.
        unipose_jax.errors.BadInput: the data cannot be used, or the folder holds a run
            of another config.
    """
    parallel.local_batch_size(stage.batch_size)  # refuses what cannot be split
    with checkpoint.Checkpoints(stage.folder) as checkpoints:
        if (saved := checkpoints.latest_step()) is not None:
            finished = saved >= stage.num_steps
            meta = checkpoints.read_meta(saved)
            if finished and checkpoint.differs_in_path_only(meta, stage.config):
                return True  # a finished run, to be scored on other files
            checkpoint.check_config(meta, stage.config, stage.folder)
            if finished:
                return True
            _report_length(checkpoint.lengthened_from(meta, stage.config), saved, stage)
        return _train(stage, checkpoints)


def _report_length(before: int, saved: int, stage: Stage) -> None:
    """Prints what a larger number of steps changes, if it is larger than `before`."""
    if before and parallel.is_main_process():
        print(
            f"{stage.folder}: lengthened from {before:,} to {stage.num_steps:,} steps; "
            f"from step {saved:,} on, learning rate and loss weights follow the "
            f"schedule of {stage.num_steps:,} steps"
        )


def _train(stage: Stage, checkpoints: checkpoint.Checkpoints) -> bool:
    """Trains from the latest checkpoint, or from the start, to the end or a signal."""
    teacher = teachers.load(stage) if stage.needs_teacher else None
    labeler = teacher if stage.recipe.needs_teacher else None
    batches = _open_batches(stage, labeler)
    state, is_new = _start(stage, checkpoints, batches, teacher)
    first_step, step = int(state.step), int(state.step)
    run_step, validate = _make_steps(stage, state.apply_fn, labeler)
    key = parallel.put_everywhere(jax.random.key(stage.seed))
    left = stage.num_steps - first_step
    ahead = prefetch.Prefetch(batches, stage.recipe.fields, count=left)
    one_host = jax.process_count() == 1
    with (
        interrupt.Interrupt() as stop,
        metric_writer.MetricWriter(stage.folder, first_step=first_step) as log,
        progress.Bar(
            *(stage.num_steps, "train", "step"),
            initial=first_step,
            mininterval=2.0,
            disable=not parallel.is_main_process(),
        ) as bar,
    ):
        saver = _Saver(stage, checkpoints, ahead, validate, log)
        state = parallel.replicate(state)
        if is_new and (stage.starts_from_teacher or stage.init_weights):
            saver.validate_and_save(0, state)  # training may not improve on it
        for step in range(first_step + 1, stage.num_steps + 1):
            state, scalars = run_step(state, next(ahead), key)
            log.add(step, scalars)
            if step == first_step + 1:
                jax.block_until_ready(state)
                log.start_clock()  # the step was compiled
            bar.update()
            logging = step == stage.num_steps or step % stage.log_every == 0
            if logging:
                bar.set_postfix_str(log.flush())
            # All hosts save the same step. They ask each other while devices rest.
            stopping = (one_host or logging) and parallel.any_host(stop.requested)
            saver.save_if_due(step, state, stopping=stopping)
            if stopping:
                break
    checkpoints.wait()
    done = step == stage.num_steps
    if not done and parallel.is_main_process():
        why = stop.signal_name or "another host was stopped"
        print(f"{why}: saved step {step}; run again to go on from there")
    return done


def _open_batches(stage: Stage, teacher: teachers.Teacher | None):
    """This host's training batches, from the first on."""
    return sources.open_train(
        stage.data,
        seed=stage.seed,
        batch_size=stage.batch_size,
        host=jax.process_index(),
        hosts=jax.process_count(),
        teacher=teacher,
    )


def _start(
    stage: Stage,
    checkpoints: checkpoint.Checkpoints,
    batches,
    teacher: teachers.Teacher | None,
) -> tuple[train_state.TrainState, bool]:
    """The state to train from, and whether it is new; sets the position of `batches`.

    A new state has the parameters of the weights, backbone or teacher that it starts
    from.
    """
    state, position = restore.restore_or_init(stage, checkpoints)
    if position is not None:
        batches.set_state(position)
        if parallel.is_main_process() and int(state.step) < stage.num_steps:
            print(f"{stage.folder}: resumes from the checkpoint of step {state.step}")
        return state, False
    if stage.init_backbone:
        state = pretrained.load_backbone(state, pathlib.Path(stage.init_backbone))
    if stage.init_weights:
        state = pretrained.load_weights(state, stage.init_weights, stage.name)
    if teacher and stage.starts_from_teacher:
        state = restore.with_params(
            teacher.params, state, setting="config.teacher.init_from_teacher"
        )
    return state, True


def _make_steps(
    stage: Stage, apply_fn: Callable, teacher: teachers.Teacher | None
) -> tuple[Callable, Callable]:
    """The training step on all devices, and the validation."""
    recipe = stage.recipe
    weights_at = optimizer.make_weight_schedule(recipe.objective, stage.num_steps)
    run_step = train_step.make_train_step(
        recipe.train_terms,
        weights_at,
        stage.optimizer.ema_decay,
        remat=stage.remat,
    )
    final_weights = weights_at(stage.num_steps)
    validate = make_validation_fn(stage, apply_fn, final_weights, teacher)
    return parallel.map_step(run_step), validate


@dataclasses.dataclass(frozen=True)
class _Saver:
    """Writes checkpoints with the position in the data, and ranks them."""

    stage: Stage
    checkpoints: checkpoint.Checkpoints
    batches: prefetch.Prefetch
    validate: Callable
    log: metric_writer.MetricWriter

    def save_if_due(self, step: int, state, *, stopping: bool) -> None:
        """Saves at the end, at every `checkpoint_every` steps, and before stopping."""
        if step == self.stage.num_steps or step % self.stage.checkpoint_every == 0:
            self.log.flush()
            self.validate_and_save(step, state)
        elif stopping:
            self.log.flush()
            self._save(state, score=None)

    def validate_and_save(self, step: int, state) -> None:
        """Saves a replicated state, ranked by its loss on the validation split."""
        with self.log.paused():
            scores = self.validate(state.ema_params)
            self.log.write_scalars(step, "validation", scores)
            self._save(state, score=scores["loss/total"])

    def _save(self, state, *, score: float | None) -> None:
        meta = {"config": self.stage.config, "position": self.batches.get_state()}
        self.checkpoints.save(parallel.unreplicate(state), meta=meta, score=score)


def make_validation_fn(
    stage: Stage,
    apply_fn: Callable,
    weights: Mapping[str, float],
    teacher: teachers.Teacher | None,
) -> Callable:
    """Builds `validate(replicated params) -> {"loss/<term>": float, ...}`.

    Labels are read here for the log only; the loss alone ranks checkpoints.
    """
    recipe, data = stage.recipe, stage.data
    validate = evaluate.make_eval_step(recipe, apply_fn, stage.skeleton)
    source = sources.open_split(data, "validation")
    needed = set(recipe.fields) - set(teachers.FIELDS)
    evaluate.check_fields(source, needed, data=data.name, consumer=stage.model["name"])
    if teacher:
        evaluate.check_fields(
            source, teacher.inputs, data=data.name, consumer="the teacher"
        )
        source = teacher.label_source(source)
    batch_size = evaluate.choose_batch_size(source, stage.batch_size)

    def scores(params) -> dict[str, float]:
        return evaluate.score_split(
            validate,
            params,
            source,
            skeleton=stage.skeleton,
            weights={name: float(weight) for name, weight in weights.items()},
            batch_size=batch_size,
            custom_metrics=recipe.metrics_fn is not None,
        )

    return scores
