"""Rendered frames per second, training steps per second, and peak memory.

    python -m benchmarks.train
    python -m benchmarks.train --variant=full --stage=depth

Prints one JSON object with medians after warm-up, on the default device of JAX. The
rendering time of a student includes the labels of its teacher.
"""

import itertools
import json
import pathlib
import resource
import statistics
import time

import jax
from absl import app, flags

from benchmarks import steps
from configs import unipose
from data_pipelines.loading import rendered_batches
from unipose_jax import errors
from unipose_jax.cli import commands
from unipose_jax.train import plan, teacher
from unipose_jax.train.checkpoints import folders

_STEPS = flags.DEFINE_integer("steps", 30, "Timed training steps.")
_VARIANT = flags.DEFINE_string("variant", "quick", "Variant of configs/unipose.py.")
_STAGE = flags.DEFINE_enum(
    "stage", "points", folders.MODALITIES, "Stage that is trained."
)
_BATCHES = 6  # rendered batches


def main(argv: list[str]) -> None:
    """Times rendering, then training."""
    del argv
    commands.silence_library_logs()
    folder = pathlib.Path()
    stage = plan.resolve_stage(unipose.get_config(_VARIANT.value), folder, _STAGE.value)
    size = stage.batch_size
    batches = rendered_batches.render_batches(
        stage.data, batch_size=size, host=0, hosts=1
    )
    if _STAGE.value != "points":
        batches = teacher.load(stage).label_batches(batches)
    times = [time.perf_counter()]
    for step in range(_BATCHES):
        batch = jax.block_until_ready(batches[step])
        times.append(time.perf_counter())
    rendering = statistics.median(b - a for a, b in itertools.pairwise(times[1:]))
    training = steps.seconds_per_step(stage, batch, steps=_STEPS.value)
    frames = size * stage.data.frames
    device = jax.devices()[0]
    print(
        json.dumps(
            {
                "device": device.device_kind,
                "config": f"unipose:{_VARIANT.value}, {_STAGE.value}",
                "image": [stage.data.scene["height"], stage.data.scene["width"]],
                "batch_frames": frames,
                "rendered_frames_per_s": round(frames / rendering, 1),
                "steps_per_s": round(1.0 / training, 2),
                "peak_memory_mb": _peak_memory(device) // 2**20,
            },
            indent=1,
        )
    )


def _peak_memory(device: jax.Device) -> int:
    """Peak memory of an accelerator where it is known, else of this process; bytes."""
    known = device.memory_stats() or {}
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return known.get("peak_bytes_in_use", own)


if __name__ == "__main__":
    with errors.exit_on_bad_input():
        app.run(main)
