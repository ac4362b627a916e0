"""What a study trains, and where; apart from the flags, so that it can be tested."""

import dataclasses
import json
import pathlib
from typing import Any

from absl import app

from unipose_jax.report import files
from unipose_jax.train.checkpoints import checkpoint, folders

SETTINGS = "settings.json"
"""What a run of a study was made with, in its folder."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One of `--configs`.

    Attributes:
        config: its path in configs/, without ending.
        trained: the stages that its runs train.
    """

    config: str
    trained: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its row in the table."""
        return "+".join([pathlib.PurePath(self.config).name, *self.trained[1:]])

    def folder(self, study: pathlib.Path, varied: str, seed: str) -> pathlib.Path:
        """Where a run lives; points share it with their students.

        Args:
            study: folder of all runs.
            varied: "noise=8.0", or "" without a sweep.
            seed: of the run.
        """
        name = pathlib.PurePath(self.config).name
        if self.trained[0] != "points":
            name += f".{self.trained[0]}"
        return study / "-".join([name, *filter(None, [varied]), seed])

    def record(self, folder: pathlib.Path) -> pathlib.Path:
        """The results of a run: of its last stage."""
        return folders.folder_of(folder, self.trained[-1]) / "metrics.json"


def entry_of(text: str, modality: str) -> Entry:
    """An entry of `--configs`: "ablations/projection", or "unipose+depth".

    Raises:
        app.UsageError: no such student.
    """
    config, _, student = text.partition("+")
    if not student:
        return Entry(config, (modality,))
    if student not in folders.MODALITIES[1:]:
        known = " or ".join(folders.MODALITIES[1:])
        raise app.UsageError(f"{text!r} names no student; use {known} after the +")
    return Entry(config, ("points", student))


def parse_sweep(text: str | None) -> tuple[str, list[str]]:
    """The key and the values of `--sweep`; no key and one value "" without it.

    Raises:
        app.UsageError: it has no values.
    """
    if not text:
        return "", [""]
    key, _, values = text.partition("=")
    if not values:
        raise app.UsageError(f"--sweep={text} has no values; write config.key=1,2,3")
    return key, values.split(",")


def varied(setting: str, value: str) -> str:
    """A value of a sweep as the names of folders have it; "" without a sweep."""
    return f"{setting.rpartition('.')[2]}={value}" if setting else ""


def check_settings(folder: pathlib.Path, settings: dict[str, Any]) -> None:
    """Keeps the settings of a run in its folder; ends a study that asks for others.

    Where nothing has been saved yet, a run may be started with others.

    Raises:
        SystemExit: the run there was made with other settings, or it is not known with
            which; says so.
    """
    path = folder / SETTINGS
    if checkpoint.newest_step(folder) is None:
        files.write_text(path, json.dumps(settings, indent=1) + "\n")
        return
    if not path.exists():
        raise SystemExit(
            f"{folder} has a run of which no {SETTINGS} tells the settings; choose "
            "another --workdir"
        )
    saved = json.loads(path.read_text())
    for name in settings:
        if saved.get(name) != settings[name]:
            raise SystemExit(
                f"{folder} was made with {name} {saved.get(name)}, not "
                f"{settings[name]}; choose another --workdir"
            )
