"""Kills training at random moments, and runs `--mode=live` for minutes.

    python -m benchmarks.soak --mode=kill --count=20 --workdir=W
    python -m benchmarks.soak --mode=live --recording=DIR --minutes=30 --workdir=W

`kill` trains the smoke config with a checkpoint at every step, ends the process with
SIGKILL at random moments, every second time while a checkpoint is written, and starts
it again. A run that reaches its end must equal an undisturbed one: all parameters, the
optimizer, the losses and the scores, to the last bit. `live` plays a recording again
and again, in one process, and prints its memory over time and the latency.
"""

import json
import pathlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
from absl import app, flags

from benchmarks import study
from data_pipelines.ground import file_io
from unipose_jax import errors
from unipose_jax.train.checkpoints import checkpoint

# Tests import several commands, whose flags have the same names, in one process.
_FLAGS = flags.FLAGS if __name__ == "__main__" else flags.FlagValues()
_MODE = flags.DEFINE_enum("mode", "kill", ("kill", "live"), "", flag_values=_FLAGS)
_COUNT = flags.DEFINE_integer("count", 20, "Kills.", flag_values=_FLAGS)
_SEED = flags.DEFINE_integer("seed", 0, "Of the moments.", flag_values=_FLAGS)
_MINUTES = flags.DEFINE_float("minutes", 30.0, "Of live.", flag_values=_FLAGS)
_RECORDING = flags.DEFINE_string("recording", None, "To play.", flag_values=_FLAGS)
_WORKDIR = flags.DEFINE_string("workdir", None, "New folder.", flag_values=_FLAGS)

_STEPS = 12
_TEMPORARY = "*tmp*"  # a checkpoint that is not complete, by its folder's name


def main(argv: list[str]) -> None:
    """Prints the figures as JSON."""
    del argv
    with errors.exit_on_bad_input():
        if not _WORKDIR.value:
            raise errors.BadInput("--workdir is missing: a new folder")
        workdir = pathlib.Path(_WORKDIR.value)
        file_io.check_absent(workdir)
        if _MODE.value == "kill":
            found = kill(workdir, _COUNT.value, random.Random(_SEED.value))
        else:
            if not _RECORDING.value:
                raise errors.BadInput("--recording is missing: the recording to play")
            found = live(
                workdir, pathlib.Path(_RECORDING.value), seconds=60 * _MINUTES.value
            )
    print(json.dumps(found, indent=1))


def kill(workdir: pathlib.Path, count: int, chance: random.Random) -> dict[str, Any]:
    """Kills training `count` times.

    Raises:
        SystemExit: a run that was killed ended in another way than a straight one.
    """
    for name in ("compiling", "straight"):
        begun = time.monotonic()
        start(workdir / name).wait()
        duration = time.monotonic() - begun
    expected = end_of(workdir / "straight")
    if different := differences(expected, end_of(workdir / "compiling")):
        raise SystemExit(f"two undisturbed runs differ in {', '.join(different)}")
    killed, while_writing, ends, ended = 0, 0, 0, False
    while killed < count or not ended:  # the last run, too, reaches its end
        folder = workdir / f"killed_{ends}"
        is_new, begun, ended = not folder.exists(), time.monotonic(), False
        left = unfinished(folder)  # by an earlier kill
        process = start(folder)
        if killed < count:
            if killed % 2:
                wait_for_writing(process, folder, left)
                time.sleep(chance.uniform(0.0, 0.05))
            else:
                wait(process, chance.uniform(0.0, duration))
        else:
            process.wait()
        writing = bool(unfinished(folder) - left)
        if process.poll() is None:
            process.kill()
            process.wait()
            killed += 1
            while_writing += writing
            print(f"kill {killed}, writing: {writing}", file=sys.stderr, flush=True)
            continue
        if process.returncode:
            raise SystemExit(f"{folder}: {(folder.parent / 'log.txt').read_text()}")
        if different := differences(expected, end_of(folder)):
            raise SystemExit(f"{folder} differs in {', '.join(different)}")
        ends, ended = ends + 1, True
        print(f"end {ends}, equal", file=sys.stderr, flush=True)
        if is_new:  # undisturbed; a busy machine may have become quicker
            duration = min(duration, time.monotonic() - begun)
    return {
        "kills": killed,
        "while a checkpoint was written": while_writing,
        "runs that ended, all equal to the straight one": ends,
        "compared arrays and files": len(expected),
        "seconds of the shortest undisturbed run": round(duration, 1),
    }


def start(folder: pathlib.Path) -> subprocess.Popen:
    """Starts or continues training in a folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, str(study.ROOT / "run.py")),
        *("--config=configs/unipose.py:smoke", f"--workdir={folder.absolute()}"),
        *(f"--config.num_train_steps={_STEPS}", "--config.checkpoint_every=1"),
        "--config.log_every=1",
    ]
    with (folder.parent / "log.txt").open("w") as log:
        return subprocess.Popen(command, cwd=study.ROOT, stdout=log, stderr=log)


def wait(process: subprocess.Popen, seconds: float) -> None:
    """Waits for some time, or for the end of the process."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass


def unfinished(folder: pathlib.Path) -> set[pathlib.Path]:
    """The checkpoints in a folder that are not complete."""
    return set(folder.glob(f"checkpoints/{_TEMPORARY}"))


def wait_for_writing(
    process: subprocess.Popen, folder: pathlib.Path, left: set[pathlib.Path]
) -> None:
    """Waits until the process writes a checkpoint, or ends.

    Args:
        process: trains in `folder`.
        folder: of the run.
        left: incomplete checkpoints that were there before.
    """
    while process.poll() is None and not unfinished(folder) - left:
        time.sleep(0.002)


def end_of(folder: pathlib.Path) -> dict[str, np.ndarray | str]:
    """What a run has at its end: the state, the losses and the scores, by name."""
    step = checkpoint.latest_step(folder)
    if step != _STEPS:
        raise SystemExit(f"{folder} ended at step {step} of {_STEPS}")
    path = folder.absolute() / checkpoint.FOLDER / str(step) / "state"
    found: dict[str, Any] = _flatten(ocp.PyTreeCheckpointer().restore(path))
    for line in (folder / "log.jsonl").read_text().splitlines():
        row = json.loads(line)
        for name, value in row.items():
            if name.startswith(("loss/", "validation/")):
                found[f"log {row['step']} {name}"] = repr(value)
    scores = json.loads((folder / "metrics.json").read_text())
    scores.pop("provenance")  # the commit, if this is repeated later
    return found | {"scores": json.dumps(scores)}


def _flatten(tree: Any, prefix: str = "") -> dict[str, np.ndarray]:
    if not isinstance(tree, Mapping | list | tuple):
        return {prefix: np.asarray(tree)}
    pairs = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
    parts = (_flatten(value, f"{prefix}/{name}") for name, value in pairs)
    return {name: value for part in parts for name, value in part.items()}


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Names of what is not equal to the last bit."""
    names = expected.keys() | found.keys()
    return sorted(
        name
        for name in names
        if name not in expected
        or name not in found
        or np.asarray(expected[name]).tobytes() != np.asarray(found[name]).tobytes()
    )


def live(
    workdir: pathlib.Path, recording: pathlib.Path, *, seconds: float
) -> dict[str, Any]:
    """Plays a recording for some time with `--mode=live`."""
    frames = lengthen(recording, workdir / "long", seconds)
    command = [
        *(sys.executable, str(study.ROOT / "run.py"), "--mode=live", "--stream"),
        f"--camera=recording:{(workdir / 'long').absolute()}",
    ]
    memory: list[tuple[float, float]] = []  # seconds, MB
    errors_path = workdir / "log.txt"
    lines = 0
    with (
        errors_path.open("w") as log,
        subprocess.Popen(
            command, cwd=study.ROOT, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        begun = time.monotonic()
        done = threading.Event()
        watcher = threading.Thread(
            target=_watch, args=(process.pid, begun, memory, done)
        )
        watcher.start()
        assert process.stdout is not None
        for _ in process.stdout:
            lines += 1
        done.set()
        watcher.join()
    if process.returncode:
        raise SystemExit(errors_path.read_text())
    return {
        "frames of the recording": frames,
        "poses": lines,
        "status": errors_path.read_text().splitlines()[-1],
        "memory [MB] at [s]": {
            round(at): round(size) for at, size in memory[:: max(1, len(memory) // 10)]
        },
        "growth in the second half [MB]": growth(memory),
    }


def _watch(
    pid: int, begun: float, memory: list[tuple[float, float]], done: threading.Event
) -> None:
    """Reads the resident memory of a process twice a second (Linux)."""
    while not done.wait(0.5):
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                memory.append((time.monotonic() - begun, int(line.split()[1]) / 1024))


def growth(memory: list[tuple[float, float]]) -> float:
    """Mean of the last quarter less that of the third: start-up is left out, MB."""
    sizes = [size for _, size in memory]
    quarter = len(sizes) // 4
    if not quarter:
        return 0.0
    third, last = sizes[2 * quarter : 3 * quarter], sizes[3 * quarter :]
    return round(float(np.mean(last) - np.mean(third)), 1)


def lengthen(source: pathlib.Path, output: pathlib.Path, seconds: float) -> int:
    """Makes a recording of links to the depth files of another, over and over.

    Returns:
        The number of its frames.
    """
    camera = file_io.read_json(source / "camera.json")
    for name in ("time", "world_from_depth"):  # of each frame; not needed
        camera.pop(name, None)
    rate = camera.setdefault("fps", 30.0)
    kinds = {
        kind: sorted((source / kind).iterdir())
        for kind in ("depth", "mask")
        if (source / kind).is_dir()
    }
    count = max(len(kinds["depth"]), round(seconds * rate))
    for kind, files in kinds.items():
        (output / kind).mkdir(parents=True)
        for number in range(count):
            file = files[number % len(files)]
            link = output / kind / f"{number:06d}{file.suffix}"
            link.symlink_to(file.absolute())
    (output / "camera.json").write_text(json.dumps(camera))
    return count


if __name__ == "__main__":
    app.run(main)
