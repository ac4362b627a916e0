"""Time of a training step, used by the other benchmarks."""

import time
from collections.abc import Mapping

import jax
import numpy as np

from unipose_jax.train import optimizer, parallel
from unipose_jax.train import state as train_state
from unipose_jax.train import step as train_step
from unipose_jax.train.checkpoints import restore
from unipose_jax.train.stage import Stage

_RUN_LENGTH = 1000  # steps, of the schedules
_WARM_UP = 3  # steps


def seconds_per_step(
    stage: Stage, batch: Mapping[str, np.ndarray], *, steps: int
) -> float:
    """Median time of a training step on a batch that is on the device, seconds.

    Args:
        stage: the stage that is trained.
        batch: schema fields of `stage.batch_size` clips.
        steps: number of timed steps, after a few for warm-up.
    """
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
    times = []
    for _ in range(steps + _WARM_UP):
        start = time.perf_counter()
        state, scalars = run(state, fed, jax.random.key(0))
        jax.block_until_ready(scalars)
        times.append(time.perf_counter() - start)
    return float(np.median(times[_WARM_UP:]))
