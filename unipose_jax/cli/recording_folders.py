"""Modes on a folder of recordings: a task for each, on several processes or machines.

A recording whose results are complete is not worked on again: a note beside them has
the settings and the state of the files that they were made from.
"""

import dataclasses
import functools
import hashlib
import itertools
import json
import pathlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from etils import epath

import unipose_jax
from data_pipelines.ground import file_io
from data_pipelines.readers.recordings import data_set
from unipose_jax import atomic, cluster, errors
from unipose_jax.cli import commands, keypoints, networks, predict
from unipose_jax.train.checkpoints import checkpoint, folders, location
from unipose_jax.weights import store

_CACHE = "jax_compilation_cache_dir"
_VIEWS = ("html", "mp4", "rrd")  # beside a pose file

NOTES = ".made"
"""Folder beside the results, with a note for each recording."""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A recording whose poses are predicted.

    Attributes:
        config: of the run in `workdir`, or None.
        workdir: of a run, or None for the weights that ship.
        source: the recording.
        output: its pose file.
        options: further arguments of `predict.predict`.
        note: file that says what a complete result was made from.
        made_from: what that note holds.
        compile_cache: folder of compiled programs, or "".
        command: differs for each command, whose tasks share a loaded network.
    """

    config: Any
    workdir: pathlib.Path | None
    source: pathlib.Path
    output: pathlib.Path
    options: Mapping[str, Any]
    note: pathlib.Path
    made_from: Mapping[str, Any]
    compile_cache: str
    command: str

    def is_done(self) -> bool:
        """Whether the result is complete and was made from the same."""
        if not self.note.is_file():
            return False
        note = file_io.read_json(self.note)
        files = [self.output.parent / name for name in note["files"]]
        complete = bool(files) and all(path.is_file() for path in files)
        return complete and note["made_from"] == self.made_from

    def forget(self) -> None:
        """Removes a result of other settings or of a recording that has changed."""
        if self.note.is_file():
            for name in file_io.read_json(self.note)["files"]:
                (self.output.parent / name).unlink(missing_ok=True)
            self.note.unlink()

    def written(self) -> list[str]:
        """Names of the files of its result that are there."""
        poses = [self.output]
        if self.options.get("people") == "all":
            stem = self.output.stem
            named = (
                self.output.with_name(f"{stem}-{n}.npz") for n in itertools.count(1)
            )
            poses = list(itertools.takewhile(pathlib.Path.is_file, named))
        views = [self.output.with_suffix(f".{kind}") for kind in _VIEWS]
        return [path.name for path in (*poses, *views) if path.is_file()]


def predict_all(
    config: Any,
    workdir: pathlib.Path | None,
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    engine: cluster.Engine,
    **options: Any,
) -> int:
    """Predicts the poses in all recordings of a folder: A/B gives `output`/A/B.npz.

    Args:
        config: of the run in `workdir`, or None.
        workdir: of a run, or None for the weights that ship.
        source: folder of recordings.
        output: folder of pose files to write.
        engine: where the work runs.
        options: further arguments of `predict.predict`.

    Raises:
        errors.BadInput: some recordings cannot be used; the others are finished.
    """
    networks.check(config, workdir)
    if output.suffix == ".npz" or output.is_file():
        raise errors.BadInput(
            f"--input={source} is a folder of recordings, so --output must be a "
            f"folder, not {output}"
        )
    if options["wanted"].viewer == "viser":
        raise errors.BadInput(
            f"--viewer=viser serves one recording, and --input={source} is a folder of "
            "recordings; give one of them"
        )
    settings = _settings(config, workdir, options)
    command, tasks = uuid.uuid4().hex, []
    for path in data_set.find_recordings(source):
        place = path.relative_to(source)
        tasks.append(
            Prediction(
                config,
                workdir,
                path,
                output / place.with_name(f"{place.name}.npz"),
                options,
                output / NOTES / place.with_name(f"{place.name}.json"),
                settings | {"recording": _state_of(path)},
                getattr(jax.config, _CACHE) or "",
                command,
            )
        )
    todo = [task for task in tasks if not task.is_done()]
    if len(todo) < len(tasks):
        print(f"{len(tasks) - len(todo)} of {len(tasks)} recordings are done already")
    for task in todo:  # first: another result may get the name of an old one
        task.forget()
    _work(predict_one, todo, engine, title="predict")
    print(f"poses of {len(tasks)} recordings: {output}")
    return 0


def predict_one(task: Prediction) -> None:
    """Predicts one recording and notes what the result was made from.

    Raises:
        errors.BadInput: the recording cannot be used.
    """
    commands.silence_library_logs()
    commands.enable_compilation_cache(task.compile_cache)
    predict.predict(
        task.config,
        task.workdir,
        task.source,
        task.output,
        load=functools.partial(_load_once, task.command),
        **task.options,
    )
    note = {"made_from": task.made_from, "files": task.written()}
    atomic.write_text(task.note, json.dumps(note) + "\n")


@functools.lru_cache(maxsize=1)
def _networks_of(command: str) -> dict[str, networks.Loaded]:
    """Networks that the tasks of a command have loaded in this process."""
    del command
    return {}


def _load_once(
    command: str, config: Any, workdir: pathlib.Path | None, modality: str
) -> networks.Loaded:
    """`networks.load`, once for all recordings of a command."""
    known = _networks_of(command)
    if modality not in known:
        known[modality] = networks.load(config, workdir, modality)
    return known[modality]


@dataclasses.dataclass(frozen=True)
class Detection:
    """A recording whose 2D keypoints are found.

    Attributes:
        source: the recording.
        model: the 2D network, or None for MoveNet.
        skeleton: of the network's joints.
        compile_cache: folder of compiled programs, or "".
    """

    source: pathlib.Path
    model: pathlib.Path | None
    skeleton: str
    compile_cache: str


def detect_all(
    source: pathlib.Path,
    model: pathlib.Path | None,
    skeleton: str,
    *,
    engine: cluster.Engine,
) -> int:
    """Finds the 2D keypoints of all recordings in a folder that have none yet.

    Args:
        source: folder of recordings.
        model: the 2D network, or None for MoveNet.
        skeleton: of the network's joints.
        engine: where the work runs.

    Raises:
        errors.BadInput: some recordings cannot be used; the others are finished.
    """
    found = data_set.find_recordings(source)
    cache = getattr(jax.config, _CACHE) or ""
    tasks = [Detection(path, model, skeleton, cache) for path in found]
    _work(detect_one, tasks, engine, title="keypoints")
    return 0


def detect_one(task: Detection) -> None:
    """Finds the keypoints of one recording, or says that there are some.

    Raises:
        errors.BadInput: the recording cannot be used.
    """
    commands.silence_library_logs()
    commands.enable_compilation_cache(task.compile_cache)
    model = task.model
    if keypoints.existing(task.source).exists():
        model = None  # found by an earlier run: drawn only
    keypoints.show_keypoints(task.source, model, task.skeleton)


def _work(
    function: Any, tasks: Sequence[Any], engine: cluster.Engine, *, title: str
) -> None:
    done = cluster.map_tasks(
        function,
        tasks,
        engine=engine,
        title=title,
        unit="recording",
        describe=lambda task: str(task.source),
    )
    for _ in done:
        pass


def _written(saved: epath.Path) -> int | str | None:
    """Tells a checkpoint from another of the same step that replaced it."""
    if not saved.is_dir():
        return None
    if location.is_remote(saved):
        return (saved / "_CHECKPOINT_METADATA").read_text()  # with the time
    return pathlib.Path(saved).stat().st_mtime_ns


def _settings(
    config: Any, workdir: pathlib.Path | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """What poses depend on beside the recording, as JSON-able values."""
    weights: Any = file_io.digest(sorted(store.FOLDER.glob("*.npz")))
    if workdir is not None:
        folder = folders.folder_of(workdir, options["modality"])
        step = checkpoint.latest_step(folder)
        weights = [step, _written(location.find(folder) / str(step))]
    return {
        "version": unipose_jax.__version__,
        "config": None if config is None else json.loads(config.to_json()),
        "workdir": None if workdir is None else str(workdir.absolute()),
        "weights": weights,
        "options": {**options, "wanted": dataclasses.asdict(options["wanted"])},
    }


def _state_of(path: pathlib.Path) -> str:
    """Digest of names, sizes and times of the files of a recording."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    listed = [
        (str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns)
        for file in files
    ]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]
