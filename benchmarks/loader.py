"""Examples per second from disk to device, compared with those that training needs.

    python -m benchmarks.loader

Writes rendered clips as a prepared data set to a temporary folder, reads it with 0, 1
and 2 worker processes, and times training steps on one of the batches. Prints one JSON
object: `ratio` is examples read per example trained on; `memory_mb` is the memory of
this process and its workers after each epoch.
"""

import json
import pathlib
import tempfile
import time

import jax
from absl import app, flags

from benchmarks import steps
from configs import unipose
from data_pipelines.ground import settings
from data_pipelines.loading import sources
from data_pipelines.prepared import prepare
from unipose_jax import errors
from unipose_jax.cli import commands
from unipose_jax.train import parallel, plan
from unipose_jax.train.stage import Stage

_CLIPS = flags.DEFINE_integer("clips", 160, "Rendered clips of an epoch.")
_EPOCHS = flags.DEFINE_integer("epochs", 10, "Epochs to read.")


def main(argv: list[str]) -> None:
    """Prepares, reads, trains."""
    del argv
    commands.silence_library_logs()
    config = unipose.get_config("quick")
    data = config.data
    data.train_clips, data.validation_clips, data.test_clips = _CLIPS.value, 1, 1
    home = pathlib.Path()
    with tempfile.TemporaryDirectory() as folder:
        data.data_dir = folder
        prepare.prepare(settings.DataSettings.from_config(data), pathlib.Path())
        read = {}
        for workers in (0, 1, 2):
            data.workers = workers
            read[workers] = read_epochs(plan.resolve_stage(config, home, "points"))
        data.workers = 0
        stage = plan.resolve_stage(config, home, "points")
        batch = next(open_train(stage))
        seconds = steps.seconds_per_step(stage, batch, steps=20)
        trained = config.global_batch_size / seconds
    print(
        json.dumps(
            {
                "device": jax.devices()[0].device_kind,
                "points_stored_and_drawn": [data.stored_points, data.num_points],
                "frames_per_example": data.frames,
                "trained_examples_per_s": round(trained, 1),
                "workers": {
                    workers: {
                        "examples_per_s": round(rate, 1),
                        "ratio": round(rate / trained, 2),
                        "memory_mb": memory,
                    }
                    for workers, (rate, memory) in read.items()
                },
            },
            indent=1,
        )
    )


def open_train(stage: Stage):
    """Training batches of a stage on one host."""
    return sources.open_train(
        stage.data,
        seed=stage.seed,
        batch_size=stage.batch_size,
        host=0,
        hosts=1,
    )


def read_epochs(stage: Stage) -> tuple[float, list[int]]:
    """Examples per second from disk to device, and memory after each epoch, MB."""
    batches = open_train(stage)
    fields = stage.recipe.fields
    per_epoch = max(1, stage.data.train_clips // stage.batch_size)

    def fetch() -> None:
        batch = next(batches)
        jax.block_until_ready(parallel.shard({name: batch[name] for name in fields}))

    for _ in range(per_epoch):  # warm-up: starts the workers and fills the caches
        fetch()
    memory, start = [], time.perf_counter()
    for _ in range(_EPOCHS.value):
        for _ in range(per_epoch):
            fetch()
        memory.append(resident_mb())
    seconds = time.perf_counter() - start
    return _EPOCHS.value * per_epoch * stage.batch_size / seconds, memory


def resident_mb() -> int:
    """Proportional memory of this process and its children, MB (Linux)."""
    own = pathlib.Path("/proc/self")
    children = (own / f"task/{own.resolve().name}/children").read_text().split()
    total = 0
    for process in (own, *(pathlib.Path("/proc") / child for child in children)):
        for line in (process / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total // 1024


if __name__ == "__main__":
    with errors.exit_on_bad_input():
        app.run(main)
