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
`unipose+depth` is the student of that run's own points.

Runs are tasks of Dask (docs/scaling.md): `--workers=2` trains two at a time, each on
half of the cores, since a small network gains more from it than from more threads;
`--scheduler=ADDRESS` trains on the workers of a cluster, which share the folders.

`--sweep` trains every config with each value of a setting, and draws `sweep.png`:

    python -m benchmarks.ablations \
        --configs=ablations:detector_ideal,ablations:detector_ideal+depth \
        --sweep=config.data.scene.detector.noise=0.0,3.0,8.0 --workdir=runs/noise
"""

import itertools
import json
import pathlib
from collections.abc import Sequence

from absl import app, flags

from benchmarks import study, study_runs, study_tables
from benchmarks.figures import sweeps
from unipose_jax import atomic, cluster, errors
from unipose_jax.cli import engine
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
_WORKERS = flags.DEFINE_integer("workers", 1, "Runs at a time on this machine.")
_SCHEDULER = flags.DEFINE_string("scheduler", "", "Address of a Dask scheduler.")
_SET = flags.DEFINE_multi_string("set", [], "Override for all runs: config.key=value.")
flags.mark_flags_as_required(["configs", "workdir"])


def main(argv: list[str]) -> None:
    """Runs the study."""
    del argv
    workdir = pathlib.Path(_WORKDIR.value).expanduser().absolute()
    missing = [path for path in (workdir, *workdir.parents) if not path.exists()]
    where = engine.from_flags(_SCHEDULER.value, _WORKERS.value)
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
        train_all(workdir, runs, setting, where)
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
    workdir: pathlib.Path,
    runs: Sequence[tuple[str, str, study.Entry]],
    setting: str,
    where: cluster.Engine,
) -> None:
    """Trains the incomplete runs.

    Raises:
        errors.BadInput: a run was refused, or has other settings; the others ended.
        SystemExit: a run failed in another way; its output is printed.
    """
    # Entries that share a folder, as points and their student do, are trained in turn.
    tasks: dict[pathlib.Path, study_runs.Task] = {}
    for seed, value, entry in runs:
        folder = entry.folder(workdir, study.varied(setting, value), seed)
        overrides = [*_SET.value, *settings_of(setting, value, seed)]
        study.check_settings(
            entry.record(folder).parent, study_runs.made_with(entry, overrides)
        )
        task = tasks.setdefault(folder, study_runs.Task(folder, overrides))
        task.entries.append(entry)
    study_runs.train_all(list(tasks.values()), where)


if __name__ == "__main__":
    with errors.exit_on_bad_input():
        app.run(main)
