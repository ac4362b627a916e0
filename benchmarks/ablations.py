"""Trains a list of configs over seeds and writes one table.

    python -m benchmarks.ablations --configs=unipose,ablations:projection \
        --seeds=0,1,2 --workdir=runs/study --set=config.num_train_steps=1200

Entries of `--configs` are CONFIG[:VARIANT][+STUDENT]: a file in configs/ with a variant
of its own (`unipose:smoke`) in place of `--variant`, or an ablation by its name
(`ablations:projection`). Each run is `run.py` in its own folder. Complete runs are not
repeated, so an interrupted study continues when started again, but only with the same
settings. The tables go to `<workdir>/table.md` and to the terminal, the output of a run
to `train.log` in its folder. A run that fails before it has produced anything leaves no
folder.

Only the stage of `--modality` is trained: depth or rgb compares students, whose teacher
is the shipped weights unless --set=config.student.teacher.workdir=W names a run.
`unipose+depth` is the student of that run's own points. On a CPU, `--jobs=2` trains two
runs at a time, each on half of the cores: a small network gains more from it than from
more threads.

`--sweep` trains every config with each value of a setting, and draws `sweep.png`:

    python -m benchmarks.ablations \
        --configs=ablations:detector_ideal,ablations:detector_ideal+depth \
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

from benchmarks import study, study_tables
from benchmarks.figures import sweeps
from unipose_jax import atomic, errors
from unipose_jax.train.checkpoints import folders

_CONFIGS = flags.DEFINE_list("configs", None, "Configs: CONFIG[:VARIANT][+STUDENT].")
_VARIANT = flags.DEFINE_string("variant", "quick", "Variant of configs without one.")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of each config.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study.")
_MODALITY = flags.DEFINE_enum(
    "modality", "points", folders.MODALITIES, "Stage that is trained."
)
_SWEEP = flags.DEFINE_string("sweep", None, "Values of a setting: config.key=1,2,3.")
_LABEL = flags.DEFINE_string(
    "label", "", "Axis label of the setting in sweep.png, with its unit."
)
_JOBS = flags.DEFINE_integer("jobs", 1, "Runs at a time, each on its own CPU cores.")
_SET = flags.DEFINE_multi_string("set", [], "Override for all runs: config.key=value.")
flags.mark_flags_as_required(["configs", "workdir"])


def main(argv: list[str]) -> None:
    """Runs the study."""
    del argv
    workdir = pathlib.Path(_WORKDIR.value).expanduser().absolute()
    missing = [path for path in (workdir, *workdir.parents) if not path.exists()]
    cores = len(os.sched_getaffinity(0))
    if not 1 <= _JOBS.value <= cores:
        raise errors.BadInput(
            f"--jobs is {_JOBS.value}; use 1 to {cores}, one per core"
        )
    entries = [
        study.parse_entry(text, _MODALITY.value, _VARIANT.value)
        for text in _CONFIGS.value
    ]
    setting, values = study.parse_sweep(_SWEEP.value)
    # Seeds are outermost: a study that is stopped early still compares all configs.
    runs = list(itertools.product(_SEEDS.value, values, entries))
    for seed, value, entry in runs:  # a mistake in the last config ends it at once
        study.load(entry.path, [*_SET.value, *settings_of(setting, value, seed)])
    try:
        train_all(workdir, runs, setting)
    finally:
        for path in missing:
            if path.exists() and not any(path.iterdir()):
                path.rmdir()
    print(write_tables(workdir, runs, setting))


def settings_of(setting: str, value: str, seed: str) -> list[str]:
    """Overrides of one run in addition to `--set`."""
    return [f"config.seed={seed}"] + [f"{setting}={value}"] * bool(setting)


def write_tables(
    workdir: pathlib.Path, runs: Sequence[tuple[str, str, study.Entry]], setting: str
) -> str:
    """Writes `table.md`, and `sweep.png` of a sweep; returns the table."""
    records = {
        (entry.name, value, seed): json.loads(
            entry.record(
                entry.folder(workdir, study.varied(setting, value), seed)
            ).read_text()
        )
        for seed, value, entry in runs
    }
    text = study_tables.to_markdown(records, setting=setting, overrides=_SET.value)
    atomic.write_text(workdir / "table.md", text)
    if setting:
        sweeps.draw_sweep(
            workdir / "sweep.png",
            study_tables.curves_of(records),
            setting=_LABEL.value or setting.removeprefix("config."),
            title=f"Mean and standard deviation over {len(_SEEDS.value)} seeds",
        )
    return text


def train_all(
    workdir: pathlib.Path, runs: Sequence[tuple[str, str, study.Entry]], setting: str
) -> None:
    """Trains the incomplete runs, `--jobs` at a time, each on its own cores."""
    shares: queue.Queue[set[int]] = queue.Queue()
    cores = sorted(os.sched_getaffinity(0))
    for job in range(_JOBS.value):
        shares.put(set(cores[job :: _JOBS.value]))

    stopped = threading.Event()  # an interrupted study starts no more runs

    def train_entries(
        folder: pathlib.Path, entries: list[study.Entry], settings: list[str]
    ) -> None:
        own = shares.get()
        try:
            for entry in entries:
                if stopped.is_set():
                    return
                overrides = [*_SET.value, *settings]
                made = {"variant": entry.variant, "settings": overrides}
                study.check_settings(entry.record(folder).parent, made)
                if not entry.record(folder).exists():
                    study.write_settings(entry.record(folder).parent, made)
                    train(entry, folder, overrides, own)
                if not entry.record(folder).exists():
                    raise errors.BadInput(f"{folder} is incomplete; start again")
        except BaseException:
            stopped.set()
            raise
        finally:
            shares.put(own)

    # Entries that share a folder, as points and their student do, are trained in turn.
    by_folder: dict[pathlib.Path, tuple[list[study.Entry], list[str]]] = {}
    for seed, value, entry in runs:
        folder = entry.folder(workdir, study.varied(setting, value), seed)
        job = by_folder.setdefault(folder, ([], settings_of(setting, value, seed)))
        job[0].append(entry)
    with concurrent.futures.ThreadPoolExecutor(_JOBS.value) as pool:
        jobs = [pool.submit(train_entries, f, *rest) for f, rest in by_folder.items()]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            stopped.set()
            raise


def train(
    entry: study.Entry, folder: pathlib.Path, overrides: list[str], cores: set[int]
) -> None:
    """Runs `run.py` on `cores`.

    Raises:
        errors.BadInput: `run.py` refuses its input; the message is its own.
        SystemExit: it fails in another way; its output is printed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    print(f"train {folder} {' '.join(entry.trained)}", flush=True)
    command = [
        sys.executable,
        str(study.ROOT / "run.py"),
        f"--config={entry.path}",
        f"--workdir={folder}",
        f"--config.stages={entry.trained}",
        *(f"--{override}" for override in overrides),
    ]
    path = folder / study.LOG
    with path.open("a") as log:
        before = log.tell()
        done = subprocess.run(
            command,
            cwd=study.ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
    if done.returncode:
        text = path.read_bytes()[before:].decode(errors="replace").strip()
        study.remove_if_empty(folder)
        last = text.splitlines()[-1] if text else "no output"
        message = f"{folder}: {last.removeprefix('error: ')}"
        if done.returncode == 2:  # one line about a mistake of the user
            raise errors.BadInput(message)
        print(text, file=sys.stderr)
        raise SystemExit(f"{message} (status {done.returncode})")


if __name__ == "__main__":
    with errors.exit_on_bad_input():
        app.run(main)
