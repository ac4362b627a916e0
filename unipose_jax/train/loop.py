"""The training loop, the only one."""

import pathlib
from collections.abc import Callable, Mapping

import jax
import ml_collections
import tqdm

from data_pipelines.ground import settings
from data_pipelines.loading import sources
from unipose_jax import skeleton
from unipose_jax.train import interrupt, metric_writer, optimizer, parallel, recipes
from unipose_jax.train import step as train_step
from unipose_jax.train import teacher as teachers
from unipose_jax.train.checkpoints import checkpoint, pretrained, restore
from unipose_jax.train.evaluation import evaluate


def train(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> bool:
    """Trains, or goes on where a run in `workdir` stopped.

    Every random choice is a function of (`config.seed`, step, place in the global
    batch), and the position in the data is part of the checkpoint, so an interrupted
    run ends as an uninterrupted one. SIGTERM and SIGINT save and end the run.

    Args:
        config: as the files in configs/ build it.
        workdir: takes checkpoints, `log.jsonl` and TensorBoard files.

    Returns:
        Whether training is complete; False if a signal ended it early.

    Raises:
        metric_writer.NonFiniteLoss: names the step and the term.
        unipose_jax.errors.BadInput: the config or its data cannot be used, or
            `workdir` holds a run of another config.
    """
    parallel.local_batch_size(config.global_batch_size)  # refuses what cannot be split
    recipe = recipes.build(config)
    with checkpoint.Checkpoints(workdir) as checkpoints:
        if (saved := checkpoints.latest_step()) is not None:
            finished = saved >= config.num_train_steps
            meta = checkpoints.read_meta(saved)
            if finished and checkpoint.differs_in_path_only(meta, config):
                return True  # a finished run, to be scored on other files
            checkpoint.check_config(meta, config, workdir)
            if finished:
                return True
        return _train(config, workdir, recipe, checkpoints)


def _train(
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    recipe: recipes.Recipe,
    checkpoints: checkpoint.Checkpoints,
) -> bool:
    """Trains from the newest checkpoint, or from the start, to the end or a signal."""
    num_steps, saved = config.num_train_steps, checkpoints.latest_step()
    teacher, init_from_teacher = (
        None,
        config.get("teacher", {}).get("init_from_teacher", False),
    )
    if recipe.needs_teacher or init_from_teacher:
        teacher = teachers.load(config, workdir)
    hosts = {"host": jax.process_index(), "hosts": jax.process_count()}
    batches = sources.open_train(
        settings.DataSettings.from_config(config.data),
        seed=config.seed,
        batch_size=config.global_batch_size,
        **hosts,
        teacher=teacher,
    )
    state, position = restore.restore_or_init(config, recipe, checkpoints, workdir)
    first_step = int(state.step)
    if position is not None:
        batches.set_state(position)
    elif config.get("init_backbone", ""):
        state = pretrained.load_backbone(state, config)
    if teacher and init_from_teacher and position is None:
        state = restore.with_params(teacher.params, state)
    weights_at = optimizer.make_weight_schedule(
        config.loss_weights.to_dict(), config.ramp, num_steps
    )
    run_step = parallel.map_step(
        train_step.make_train_step(
            recipe.train_terms, weights_at, config.optimizer.ema_decay
        )
    )
    validate = make_validation_fn(
        config, recipe, state.apply_fn, weights_at(num_steps), teacher
    )
    key = jax.random.key(config.seed)
    state = parallel.replicate(state)

    def check(step: int) -> None:
        with log.paused():
            scores = validate(state.ema_params)
            log.write_scalars(step, "validation", scores)
            save(scores["loss/total"])

    def save(score: float | None) -> None:
        meta = {
            "config": checkpoint.config_to_json(config),
            "position": batches.get_state(),
        }
        checkpoints.save(parallel.unreplicate(state), meta=meta, score=score)

    done, one_host = False, jax.process_count() == 1
    with (
        interrupt.Interrupt() as stop,
        metric_writer.MetricWriter(workdir, first_step=first_step) as log,
        progress_bar(first_step, num_steps) as bar,
    ):
        if init_from_teacher and saved is None:
            check(0)  # what becomes of the start may be worse than it
        for step in range(first_step + 1, num_steps + 1):
            batch = next(batches)
            fed = parallel.shard({name: batch[name] for name in recipe.fields})
            state, scalars = run_step(state, fed, key)
            log.add(step, scalars)
            bar.update()

            done, logging = step == num_steps, step % config.log_every == 0
            if done or logging:
                bar.set_postfix_str(log.flush())
            # All hosts save the same step. They ask each other while devices rest.
            stopping = (one_host or logging) and parallel.any_host(stop.requested)
            if done or step % config.checkpoint_every == 0:
                log.flush()
                check(step)
            elif stopping:
                log.flush()
                save(None)
            if stopping:
                break
    checkpoints.wait()
    if not done and parallel.is_main_process():
        why = stop.signal_name or "another host was stopped"
        print(f"{why}: saved step {step}; run again to go on from there")
    return done


def make_validation_fn(
    config: ml_collections.ConfigDict,
    recipe: recipes.Recipe,
    apply_fn: Callable,
    weights: Mapping[str, float],
    teacher: teachers.Teacher | None,
) -> Callable:
    """Builds `validate(replicated params) -> {"loss/<term>": float, ...}`.

    Labels are read here to tell people how it goes; only the loss ranks checkpoints.
    """
    skel = skeleton.by_name(config.data.skeleton)
    validate = evaluate.make_eval_step(recipe, apply_fn, skel)
    source = sources.open_split(
        settings.DataSettings.from_config(config.data), "validation"
    )
    evaluate.check_fields(source, set(recipe.fields) - set(teachers.FIELDS), config)
    if teacher:
        evaluate.check_fields(source, teacher.inputs, config, consumer="the teacher")
        source = teacher.label_source(source)
    batch_size = evaluate.choose_batch_size(source, config.global_batch_size)

    def scores(params) -> dict[str, float]:
        return evaluate.score_split(
            validate,
            params,
            source,
            skeleton=skel,
            weights={name: float(weight) for name, weight in weights.items()},
            batch_size=batch_size,
            custom_metrics=recipe.metrics_fn is not None,
        )

    return scores


def progress_bar(first_step: int, num_steps: int) -> tqdm.tqdm:
    """A bar of steps, on the lead host."""
    return tqdm.tqdm(
        total=num_steps,
        initial=first_step,
        desc="train",
        unit="step",
        mininterval=2.0,
        disable=not parallel.is_main_process(),
    )
