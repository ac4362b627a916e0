"""Rendering, loading and training steps."""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.speed import options, timing
from configs import pose_machine, unipose, wsp
from data_pipelines.ground import settings
from data_pipelines.loading import rendered_batches, sources
from data_pipelines.prepared import prepare
from data_pipelines.rendered import clip_pool
from unipose_jax import skeleton
from unipose_jax.geometry import camera
from unipose_jax.train import optimizer, parallel, plan, teacher
from unipose_jax.train import state as train_state
from unipose_jax.train import step as train_step
from unipose_jax.train.checkpoints import restore
from unipose_jax.train.stage import Stage

_CONFIGS = {
    "points": (unipose, "points"),
    "depth": (unipose, "depth"),
    "rgb": (unipose, "rgb"),
    "wsp": (wsp, "points"),
    "pose_machine": (pose_machine, "points"),
}
_RUN_LENGTH = 1000  # steps, of the schedules
_FPS = 30.0  # of the clips of the pose machine
_INTRINSICS = (1000.0, 1000.0, 500.0, 500.0)  # pixels, of its camera
_DISTANCE, _HEIGHT = 4.0, 1.5  # metres, of its people; of its camera above the floor


def _config(name: str, chosen: options.Options) -> Any:
    """The config of a recipe, with few clips."""
    config = _CONFIGS[name][0].get_config(chosen.variant)
    if name != "pose_machine":
        config.data.train_clips = config.global_batch_size
    return config


def _stage(name: str, config: Any) -> Stage:
    return plan.resolve_stage(config, pathlib.Path("none"), _CONFIGS[name][1])


def render(name: str, chosen: options.Options) -> timing.Measured:
    """New clips for each step, as on accelerators; without a teacher's labels."""
    stage = _stage(name, _config(name, chosen))
    size = stage.batch_size
    batches = rendered_batches.render_batches(
        stage.data, batch_size=size, host=0, hosts=1
    )
    steps = itertools.count()
    times = timing.repeat(lambda: batches[next(steps)], warm_up=2)
    shapes = f"{_clips(stage)} of {stage.data.scene['width']}x"
    shapes += f"{stage.data.scene['height']}, {stage.data.num_points} points"
    return timing.rate(times, size, "clips/s", shapes)


def step(name: str, chosen: options.Options) -> timing.Measured:
    """A training step on a batch that is on the device."""
    stage = _stage(name, _config(name, chosen))
    times = timing.repeat(
        _step(stage, _batch(name, stage)), repeats=10 if chosen.quick else 30, warm_up=3
    )
    config = _CONFIGS[name][0].__name__.rpartition(".")[2]
    return timing.rate(
        times, 1, "steps/s", f"{config}:{chosen.variant}, {_clips(stage)}"
    )


def _step(stage: Stage, batch: Mapping[str, Any]):
    """A function that makes one step; its state goes on from step to step."""
    recipe = stage.recipe
    state = train_state.create(
        recipe.network,
        optimizer.make_optimizer(stage.optimizer, _RUN_LENGTH),
        restore.dummy_inputs(stage.data, recipe.inputs),
        jax.random.key(0),
    )
    weights = optimizer.make_weight_schedule(recipe.objective, _RUN_LENGTH)
    run = parallel.map_step(
        train_step.make_train_step(recipe.train_terms, weights, 0.99)
    )
    fed = parallel.shard({name: batch[name] for name in recipe.fields})
    state = parallel.replicate(state)

    def make_step():
        nonlocal state
        state, scalars = run(state, fed, jax.random.key(0))
        return scalars

    return make_step


def _batch(name: str, stage: Stage) -> Mapping[str, Any]:
    """A batch of rendered clips, with the labels of the weights that ship."""
    if name == "pose_machine":
        return _lifting_batch(stage)
    labels = teacher.load(stage) if stage.needs_teacher else None
    return next(_open(stage, labels))


def _open(stage: Stage, labels: teacher.Teacher | None = None):
    size = stage.batch_size
    return sources.open_train(
        stage.data, seed=0, batch_size=size, host=0, hosts=1, teacher=labels
    )


def _lifting_batch(stage: Stage) -> dict[str, np.ndarray]:
    """Procedural motion in front of a level camera."""
    count, frames = stage.batch_size, stage.data.frames
    bodies = clip_pool.procedural_motion(count, fps=_FPS, length=frames, seed=0)
    found, has = skeleton.convert(bodies, skeleton.BODY, stage.data.skeleton)
    middle = np.asarray(bodies).mean((1, 2), keepdims=True) * [1.0, 0.0, 1.0]
    xyz = np.asarray(found) - middle + [0.0, _HEIGHT, _DISTANCE]
    intrinsics = np.tile(np.float32(_INTRINSICS), (count, 1))
    uv = camera.uv_from_xyz(jnp.asarray(xyz), jnp.asarray(intrinsics)[:, None])
    known = np.broadcast_to(np.asarray(has), xyz.shape[:-1])
    return {
        "xyz": np.float32(xyz),
        "xyz_valid": known,
        "uv": np.asarray(uv, np.float32),
        "confidence": known.astype(np.float32),
        "intrinsics": intrinsics,
        "floor": np.tile(np.float32([0.0, -1.0, 0.0, _HEIGHT]), (count, 1)),
    }


def load(workers: int, chosen: options.Options) -> timing.Measured:
    """Examples from prepared files to the device; an epoch is a repeat."""
    config = unipose.get_config(chosen.variant)
    config.data.train_clips = 16 if chosen.quick else 160
    config.data.validation_clips = config.data.test_clips = 1
    config.data.data_dir = str(chosen.folder / "prepared")
    _prepare(settings.DataSettings.from_config(config.data))
    config.data.workers = workers
    stage = _stage("points", config)
    batches, fields = _open(stage), stage.recipe.fields
    per_epoch = max(1, stage.data.train_clips // stage.batch_size)

    def read() -> None:
        for _ in range(per_epoch):
            batch = next(batches)
            fed = {name: batch[name] for name in fields}
            jax.block_until_ready(parallel.shard(fed))

    times = timing.repeat(read, repeats=10)
    amount = per_epoch * stage.batch_size
    drawn = f"{stage.data.num_points} of {stage.data.stored_points} points"
    shapes = f"{workers} workers, {amount} clips of {stage.data.frames} frames, {drawn}"
    return timing.rate(times, amount, "examples/s", shapes)


@functools.cache
def _prepare(data: settings.DataSettings) -> None:
    prepare.prepare(dataclasses.replace(data, workers=0), pathlib.Path())


def _clips(stage: Stage) -> str:
    if stage.method == "wsp":
        return f"{stage.batch_size} pictures"
    return f"{stage.batch_size} clips of {stage.data.frames} frames"


ROWS = {
    "render/points": functools.partial(render, "points"),
    "render/rgb": functools.partial(render, "rgb"),
    "loader/0": functools.partial(load, 0),
    "loader/2": functools.partial(load, 2),
    **{f"step/{name}": functools.partial(step, name) for name in _CONFIGS},
}
