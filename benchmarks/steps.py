"""Time of a training step, used by the other benchmarks."""

import time
from collections.abc import Mapping

import jax
import ml_collections
import numpy as np

from unipose_jax.train import optimizer, parallel, recipes
from unipose_jax.train import state as train_state
from unipose_jax.train import step as train_step
from unipose_jax.train.checkpoints import restore

_RUN_LENGTH = 1000  # steps, of the schedules
_WARM_UP = 3  # steps


def seconds_per_step(
    config: ml_collections.ConfigDict, batch: Mapping[str, np.ndarray], *, steps: int
) -> float:
    """Median time of a training step on a batch that is on the device, seconds.

    Args:
        config: of the stage that is trained.
        batch: schema fields of `config.global_batch_size` clips.
        steps: number of timed steps, after a few for warm-up.
    """
    recipe = recipes.build(config)
    state = train_state.create(
        recipe.network,
        optimizer.make_optimizer(config.optimizer, _RUN_LENGTH),
        restore.dummy_inputs(config, recipe.inputs),
        jax.random.key(0),
    )
    weights = optimizer.make_weight_schedule(
        config.loss_weights.to_dict(), config.ramp, _RUN_LENGTH
    )
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
