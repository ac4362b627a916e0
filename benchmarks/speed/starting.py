"""Time from the start of a command to its end, with and without compiled programs."""

import functools
import itertools
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time

from benchmarks.speed import options, timing
from unipose_jax.cli import sample

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_REPEATS = 5

COMMANDS = {
    "help": ("--help",),
    "score": ("--mode=score", "--input={joints}", "--truth={joints}"),
    "predict": (
        *("--mode=predict", "--input={frame}", "--output={output}"),
        *("--nokeypoints", "--nopictures"),
    ),
    "refine": (
        "--mode=refine",
        "--input={joints}",
        "--output={output}",
        "--nopictures",
    ),
}
"""Arguments of `run.py`; `predict` has a single frame: its first pose."""


def start(name: str, kept: bool, chosen: options.Options) -> timing.Measured:
    """Runs a command as a process of its own.

    Args:
        name: of the command.
        kept: whether compiled programs are read from a cache that an earlier run of the
            command has filled. Otherwise each run has an empty one.
        chosen: settings.
    """
    recording = sample.cached()
    places = {
        "joints": recording / "joints.npz",
        "frame": _first_frame(recording, chosen.folder / "frame"),
        "output": chosen.folder / "poses.npz",
    }
    arguments = [part.format(**places) for part in COMMANDS[name]]
    caches = (chosen.folder / f"cache_{name}_{number}" for number in itertools.count())
    shared = chosen.folder / f"cache_{name}"
    walls, cpus = [], []
    if kept and name != "help":
        run([*arguments, f"--compile_cache={shared}"])
    for _ in range(1 if chosen.quick else _REPEATS):
        own = [] if name == "help" else [f"--compile_cache={shared}"]
        if own and not kept:
            own = [f"--compile_cache={next(caches)}"]
        wall, cpu = run([*arguments, *own])
        walls.append(wall)
        cpus.append(cpu)
    return timing.duration(timing.Times(walls, cpus), f"run.py {COMMANDS[name][0]}")


def run(arguments: list[str]) -> tuple[float, float]:
    """Wall and CPU time of `run.py`, seconds.

    Raises:
        SystemExit: the command failed.
    """
    # An accelerator's memory is in use by this process.
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    command = [sys.executable, str(_ROOT / "run.py"), *arguments]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, cwd=_ROOT, env=environment, capture_output=True, text=True
    )
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    user, system = (
        getattr(after, part) - getattr(before, part)
        for part in ("ru_utime", "ru_stime")
    )
    return wall, user + system


def _first_frame(source: pathlib.Path, output: pathlib.Path) -> pathlib.Path:
    """A recording with the first depth map of another."""
    if not output.exists():
        (output / "depth").mkdir(parents=True)
        shutil.copy(source / "camera.json", output)
        shutil.copy(min((source / "depth").iterdir()), output / "depth")
    return output


ROWS = {
    "start/help": functools.partial(start, "help", True),
    **{
        f"start/{name}_{'warm' if kept else 'cold'}": functools.partial(
            start, name, kept
        )
        for name in ("score", "predict", "refine")
        for kept in (False, True)
    },
}
