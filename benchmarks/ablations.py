"""Trains a list of configs over seeds and writes one table.

    python -m benchmarks.ablations --configs=unipose,ablations/projection \
        --seeds=0,1,2 --workdir=runs/study --set=config.num_train_steps=1200

Each run is `run.py` in its own folder; runs that are complete are not repeated, so an
interrupted study goes on. The table goes to `<workdir>/table.md` and the terminal, the
output of a run to `train.log` in its folder. The stage of `--modality` alone is
trained: depth or rgb compares students, taught by the weights that ship unless
--set=config.student.teacher.workdir=W names a run. On a CPU, `--jobs=2` trains two at a
time, each on its half of the cores: of more use to a small network than more threads.
"""

import concurrent.futures
import json
import os
import pathlib
import queue
import subprocess
import sys

from absl import app, flags

from unipose_jax.report import files, tables
from unipose_jax.train import stages

_CONFIGS = flags.DEFINE_list("configs", None, "Files in configs/, without .py.")
_VARIANT = flags.DEFINE_string("variant", "quick", "Variant of each config.")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of each config.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study.")
_MODALITY = flags.DEFINE_enum(
    "modality", "points", stages.MODALITIES, "Whose results make the table."
)
_JOBS = flags.DEFINE_integer("jobs", 1, "Runs at a time, each on its own CPU cores.")
_SET = flags.DEFINE_multi_string("set", [], "Override for all runs: config.key=value.")
flags.mark_flags_as_required(["configs", "workdir"])

ROOT = pathlib.Path(__file__).resolve().parents[1]
KEYS = ("map_10cm", "mpjpe_mm", "pa_mpjpe_mm", "accel_error", "bone_length_error_mm")


def main(argv: list[str]) -> None:
    """Runs the study."""
    del argv
    study = pathlib.Path(_WORKDIR.value)
    shares: queue.Queue[set[int]] = queue.Queue()
    cores = sorted(os.sched_getaffinity(0))
    for job in range(_JOBS.value):
        shares.put(set(cores[job :: _JOBS.value]))

    def result(config: str, seed: str) -> dict:
        mine = shares.get()
        try:
            return train(config, seed, study / f"{_name(config)}-{seed}", mine)
        finally:
            shares.put(mine)

    with concurrent.futures.ThreadPoolExecutor(_JOBS.value) as pool:
        # Seeds outermost: a study cut short still compares all configs.
        runs = {
            (config, seed): pool.submit(result, config, seed)
            for seed in _SEEDS.value
            for config in _CONFIGS.value
        }
        records = {run: future.result() for run, future in runs.items()}
    table = to_markdown(records)
    files.write_text(study / "table.md", table)
    print(table)


def train(config: str, seed: str, workdir: pathlib.Path, cores: set[int]) -> dict:
    """Results of one run, trained on `cores` unless they are there already."""
    record = stages.folder_of(workdir, _MODALITY.value) / "metrics.json"
    if not record.exists():
        workdir.mkdir(parents=True, exist_ok=True)
        print(f"train {workdir}", flush=True)
        command = [
            sys.executable,
            str(ROOT / "run.py"),
            f"--config={ROOT / 'configs' / config}.py:{_VARIANT.value}",
            f"--workdir={workdir.absolute()}",
            f"--config.seed={seed}",
            f"--config.stages=('{_MODALITY.value}',)",
            *(f"--{override}" for override in _SET.value),
        ]
        with (workdir / "train.log").open("w") as log:
            subprocess.run(
                command,
                cwd=ROOT,
                check=True,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )
    return json.loads(record.read_text())


def to_markdown(records: dict[tuple[str, str], dict]) -> str:
    """One table per group of joints; `records` are by config and seed."""
    record = next(iter(records.values()))
    note = (
        f"{len(_SEEDS.value)} seeds, mean ± standard deviation; {record['protocol']}; "
        f"{', '.join(record['provenance'].values())}; "
        f"overrides: {' '.join(_SET.value) or 'none'}"
    )
    parts = []
    for group in ("all", "visible", "occluded"):
        rows = {
            _name(config): {
                key: [records[config, s]["results"][group][key] for s in _SEEDS.value]
                for key in KEYS
            }
            for config in _CONFIGS.value
        }
        table = tables.metrics_table(
            rows, keys=KEYS, title=f"{group} joints", note=note
        )
        parts.append(tables.to_markdown(table))
    return "\n".join(parts)


def _name(config: str) -> str:
    return pathlib.PurePath(config).name


if __name__ == "__main__":
    app.run(main)
