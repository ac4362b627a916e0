"""Rendered frames per second, training steps per second, and peak memory.

    python -m benchmarks.train

Prints one JSON object; medians after warm-up, on whatever device JAX finds.
"""

import json
import resource
import statistics
import time

import jax
from absl import app, flags

from configs import unipose
from data_pipelines import synthetic
from unipose_jax import commands
from unipose_jax.synthesis import scene
from unipose_jax.train import evaluate, loop, optimizer, parallel, recipes
from unipose_jax.train import state as train_state
from unipose_jax.train import step as train_step

_STEPS = flags.DEFINE_integer("steps", 30, "Timed training steps.")


def main(argv: list[str]) -> None:
    """Times rendering, then training."""
    del argv
    commands.quiet_logs()
    config = unipose.get_config("quick")
    params = synthetic.scene_params(config.data)
    marks: list[float] = []
    clips = scene.render_pool(
        0, "train", 0, 256, params, progress=lambda _: marks.append(time.perf_counter())
    )
    per_call = statistics.median(b - a for a, b in zip(marks, marks[1:], strict=False))
    pool = synthetic.Pool(clips, num_points=config.data.num_points)

    recipe = recipes.build(config)
    state = train_state.create(
        recipe.network,
        optimizer.make_optimizer(config.optimizer, 1000),
        loop.example_inputs(config),
        jax.random.key(0),
    )
    weights = optimizer.make_weight_schedule(
        config.loss_weights.to_dict(), config.ramp, 1000
    )
    run = parallel.map_step(
        train_step.make_train_step(recipe.train_terms, weights, 0.99)
    )
    batch = evaluate.stack(pool[i] for i in range(config.global_batch_size))
    fed = parallel.split({name: batch[name] for name in recipe.fields})
    state = parallel.replicate(state)
    times = []
    for index in range(_STEPS.value + 3):
        start = time.perf_counter()
        state, scalars = run(state, fed, jax.random.key(0))
        jax.block_until_ready(scalars)
        if index >= 3:
            times.append(time.perf_counter() - start)
    frames = config.global_batch_size * config.data.frames
    print(
        json.dumps(
            {
                "device": jax.devices()[0].device_kind,
                "image": [params.height, params.width],
                "rendered_frames_per_s": round(32 * params.frames / per_call, 1),
                "batch_frames": frames,
                "steps_per_s": round(1.0 / statistics.median(times), 2),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                // 1024,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    app.run(main)
