"""Trains a list of configs over seeds and writes one table.

    python -m benchmarks.ablations --configs=unipose,ablations/projection \
        --seeds=0,1,2 --workdir=runs/study --set=config.num_train_steps=1200

Each run is `run.py` in its own folder; runs that are complete are not repeated, so an
interrupted study goes on, but not with other settings. The tables go to
`<workdir>/table.md` and the terminal, the output of a run to `train.log` in its folder.
The stage of `--modality` alone is trained: depth or rgb compares students, taught by
the weights that ship unless --set=config.student.teacher.workdir=W names a run.
`unipose+depth` among the configs is the student of that run's own points. On a CPU,
`--jobs=2` trains two at a time, each on its half of the cores: of more use to a small
network than more threads.

`--sweep` trains every config with each value of a setting, and draws `sweep.png`:

    python -m benchmarks.ablations --configs=unipose,unipose+depth \
        --sweep=config.data.scene.detector.noise=0.0,3.0,8.0 --workdir=runs/noise
"""

import concurrent.futures
import itertools
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence

from absl import app, flags

from benchmarks import plan
from unipose_jax.report import files
from unipose_jax.report.pages import studies, sweeps
from unipose_jax.train.checkpoints import folders

_CONFIGS = flags.DEFINE_list("configs", None, "Files in configs/, without .py.")
_VARIANT = flags.DEFINE_string("variant", "quick", "Variant of each config.")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of each config.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study.")
_MODALITY = flags.DEFINE_enum(
    "modality", "points", folders.MODALITIES, "Whose results make the table."
)
_SWEEP = flags.DEFINE_string("sweep", None, "Values of a setting: config.key=1,2,3.")
_LABEL = flags.DEFINE_string(
    "label", "", "Of the setting, with its unit, in sweep.png."
)
_JOBS = flags.DEFINE_integer("jobs", 1, "Runs at a time, each on its own CPU cores.")
_SET = flags.DEFINE_multi_string("set", [], "Override for all runs: config.key=value.")
flags.mark_flags_as_required(["configs", "workdir"])

ROOT = pathlib.Path(__file__).resolve().parents[1]


def main(argv: list[str]) -> None:
    """Runs the study."""
    del argv
    study = pathlib.Path(_WORKDIR.value).expanduser().absolute()
    cores = len(os.sched_getaffinity(0))
    if not 1 <= _JOBS.value <= cores:
        raise app.UsageError(f"--jobs is {_JOBS.value}; use 1 to {cores}, one per core")
    entries = [plan.entry_of(text, _MODALITY.value) for text in _CONFIGS.value]
    setting, values = plan.parse_sweep(_SWEEP.value)
    runs = list(itertools.product(_SEEDS.value, values, entries))  # seeds outermost:
    train_all(study, runs, setting)  # a study cut short still compares all configs
    records = {
        (entry.name, value, seed): json.loads(
            entry.record(
                entry.folder(study, plan.varied(setting, value), seed)
            ).read_text()
        )
        for seed, value, entry in runs
    }
    text = studies.to_markdown(records, setting=setting, overrides=_SET.value)
    files.write_text(study / "table.md", text)
    if setting:
        sweeps.draw_sweep(
            study / "sweep.png",
            studies.curves_of(records),
            setting=_LABEL.value or setting.removeprefix("config."),
            title=f"Mean and standard deviation over {len(_SEEDS.value)} seeds",
        )
    print(text)


def train_all(
    study: pathlib.Path, runs: Sequence[tuple[str, str, plan.Entry]], setting: str
) -> None:
    """Trains what is not complete, `--jobs` at a time, each on cores of its own."""
    shares: queue.Queue[set[int]] = queue.Queue()
    cores = sorted(os.sched_getaffinity(0))
    for job in range(_JOBS.value):
        shares.put(set(cores[job :: _JOBS.value]))

    stopped = threading.Event()  # an interrupted study starts no more runs

    def train_entries(
        folder: pathlib.Path, entries: list[plan.Entry], settings: list[str]
    ):
        mine = shares.get()
        try:
            for entry in entries:
                overrides = [*_SET.value, *settings]
                made = {"variant": _VARIANT.value, "settings": overrides}
                plan.check_settings(entry.record(folder).parent, made)
                if not entry.record(folder).exists() and not stopped.is_set():
                    train(entry, folder, overrides, mine)
                if not entry.record(folder).exists():
                    raise SystemExit(f"{folder} is not finished; start again to go on")
        except BaseException:
            stopped.set()
            raise
        finally:
            shares.put(mine)

    # Entries that share a folder, as points and their student do, take turns.
    by_folder: dict[pathlib.Path, tuple[list[plan.Entry], list[str]]] = {}
    for seed, value, entry in runs:
        settings = [f"config.seed={seed}"] + [f"{setting}={value}"] * bool(setting)
        folder = entry.folder(study, plan.varied(setting, value), seed)
        by_folder.setdefault(folder, ([], settings))[0].append(entry)
    with concurrent.futures.ThreadPoolExecutor(_JOBS.value) as pool:
        jobs = [pool.submit(train_entries, f, *rest) for f, rest in by_folder.items()]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            stopped.set()
            raise


def train(
    entry: plan.Entry, workdir: pathlib.Path, overrides: list[str], cores: set[int]
) -> None:
    """Runs `run.py` on `cores`; ends the study, with one line, where it fails."""
    workdir.mkdir(parents=True, exist_ok=True)
    print(f"train {workdir} {' '.join(entry.trained)}", flush=True)
    command = [
        sys.executable,
        str(ROOT / "run.py"),
        f"--config={ROOT / 'configs' / entry.config}.py:{_VARIANT.value}",
        f"--workdir={workdir}",
        f"--config.stages={entry.trained}",
        *(f"--{override}" for override in overrides),
    ]
    path = workdir / "train.log"
    with path.open("a") as log:
        before = log.tell()
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
    if done.returncode:
        text = path.read_bytes()[before:].decode(errors="replace")
        said = text.strip().splitlines() or ["nothing was said"]
        print(f"{path} (status {done.returncode}): {said[-1]}", file=sys.stderr)
        raise SystemExit(abs(done.returncode))


if __name__ == "__main__":
    app.run(main)
