"""Rendered frames per second, training steps per second, and peak memory.

    python -m benchmarks.train

Prints one JSON object; medians after warm-up, on whatever device JAX finds.
"""

import itertools
import json
import resource
import statistics
import time

import jax
from absl import app, flags

from benchmarks import steps
from configs import unipose
from data_pipelines import synthetic
from unipose_jax import commands
from unipose_jax.synthesis import scene
from unipose_jax.train import evaluate

_STEPS = flags.DEFINE_integer("steps", 30, "Timed training steps.")


def main(argv: list[str]) -> None:
    """Times rendering, then training."""
    del argv
    commands.quiet_logs()
    config = unipose.get_config("quick")
    params = synthetic.scene_params(config.data)
    marks: list[tuple[float, int]] = []
    clips = scene.render_pool(
        0,
        "train",
        0,
        256,
        params,
        progress=lambda done: marks.append((time.perf_counter(), done)),
    )
    rendered = statistics.median(
        (last[1] - first[1]) / (last[0] - first[0])
        for first, last in itertools.pairwise(marks)
    )
    pool = synthetic.Pool(clips, num_points=config.data.num_points)

    batch = evaluate.stack(pool[i] for i in range(config.global_batch_size))
    seconds = steps.seconds_per_step(config, batch, steps=_STEPS.value)
    frames = config.global_batch_size * config.data.frames
    print(
        json.dumps(
            {
                "device": jax.devices()[0].device_kind,
                "image": [params.height, params.width],
                "rendered_frames_per_s": round(params.frames * rendered, 1),
                "batch_frames": frames,
                "steps_per_s": round(1.0 / seconds, 2),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                // 1024,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    app.run(main)
