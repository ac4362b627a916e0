"""Training of the runs of a study, which may be on other machines."""

import dataclasses
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import children, study
from unipose_jax import cluster, errors


@dataclasses.dataclass(frozen=True)
class Task:
    """The entries of a study that share a folder.

    Attributes:
        folder: of the run.
        overrides: "config.key=value" of the run.
        entries: in the order in which they are trained.
    """

    folder: pathlib.Path
    overrides: list[str]
    entries: list[study.Entry] = dataclasses.field(default_factory=list)

    def is_done(self) -> bool:
        """Whether all results are there."""
        return all(entry.record(self.folder).exists() for entry in self.entries)


def made_with(entry: study.Entry, overrides: list[str]) -> dict[str, Any]:
    """What `study.SETTINGS` records of a run."""
    return {"variant": entry.variant, "settings": overrides}


def train_all(tasks: Sequence[Task], where: cluster.Engine) -> None:
    """Trains the incomplete runs of a study.

    Raises:
        errors.BadInput: a run was refused; the others ended.
        SystemExit: a run failed in another way; its output is printed.
    """
    trained = cluster.map_tasks(
        train,
        [task for task in tasks if not task.is_done()],
        engine=where,
        title="study",
        unit="run",
        describe=lambda task: str(task.folder),
    )
    failed = ""
    for _, texts in trained:
        for failed in texts:  # printed at once: another run may be refused at the end
            print(failed, file=sys.stderr)
    if failed:
        raise SystemExit(failed.splitlines()[-1])


def train(task: Task) -> list[str]:
    """Trains what is missing in a folder with `run.py`.

    Returns:
        The output of a run that failed, with a last line that names it; else nothing.

    Raises:
        errors.BadInput: `run.py` refuses its input; the message is its own.
    """
    for entry in task.entries:
        if entry.record(task.folder).exists():
            continue
        home = entry.record(task.folder).parent
        study.write_settings(home, made_with(entry, task.overrides))
        print(f"train {task.folder} {' '.join(entry.trained)}", flush=True)
        if output := _run(entry, task):
            return [output]
        if not entry.record(task.folder).exists():
            raise errors.BadInput(f"{task.folder} is incomplete; start again")
    return []


def _run(entry: study.Entry, task: Task) -> str:
    """Runs `run.py`; returns its output and a line that names the run, if it failed.

    Raises:
        errors.BadInput: `run.py` refuses its input.
    """
    folder = task.folder
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        str(study.ROOT / "run.py"),
        f"--config={entry.path}",
        f"--workdir={folder}",
        f"--config.stages={entry.trained}",
        *(f"--{override}" for override in task.overrides),
    ]
    path = folder / study.LOG
    with path.open("a") as log:
        before = log.tell()
        done = subprocess.run(
            command,
            cwd=study.ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=children.end_with_parent,
        )
    if not done.returncode:
        return ""
    text = path.read_bytes()[before:].decode(errors="replace").strip()
    study.remove_if_empty(folder)
    last = text.splitlines()[-1] if text else "no output"
    message = f"{folder}: {last.removeprefix('error: ')}"
    if done.returncode == 2:  # one line about a mistake of the user
        raise errors.BadInput(message)
    return f"{text}\n{message} (status {done.returncode})"
