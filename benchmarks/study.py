"""Runs of a study: their configs, folders and recorded settings."""

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from unipose_jax import atomic, errors
from unipose_jax.cli import config_files
from unipose_jax.train.checkpoints import checkpoint, folders

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"

SETTINGS = "settings.json"
"""File in the folder of a run with the settings that it was made with."""

LOG = "train.log"
"""File in the folder of a run with the output of `run.py`."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One of `--configs`.

    Attributes:
        config: file in configs/, without its ending.
        ablation: its name, where `config` is "ablations"; else "".
        variant: of the config: "quick", "full", "smoke" or one of its own.
        label: name of the config in tables.
        trained: the stages that its runs train.
    """

    config: str
    ablation: str
    variant: str
    label: str
    trained: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the row in the table."""
        return "+".join([self.label, *self.trained[1:]])

    @property
    def path(self) -> str:
        """Value of `--config`: the file, the ablation and the variant."""
        chosen = [self.ablation] if self.config == "ablations" else []
        return f"{CONFIGS / self.config}.py:{','.join([*chosen, self.variant])}"

    def folder(self, study: pathlib.Path, varied: str, seed: str) -> pathlib.Path:
        """Folder of a run; points share it with the student that they teach.

        Args:
            study: folder of all runs.
            varied: "noise=8.0", or "" without a sweep.
            seed: of the run.
        """
        name = self.label.replace(":", ".")
        if self.trained[0] != "points":
            name += f".{self.trained[0]}"
        return study / "-".join([name, *filter(None, [varied]), seed])

    def record(self, folder: pathlib.Path) -> pathlib.Path:
        """File with the results of the last stage of a run."""
        return folders.folder_of(folder, self.trained[-1]) / "metrics.json"


def parse_entry(text: str, modality: str, variant: str) -> Entry:
    """Parses an entry of `--configs`: CONFIG[:VARIANT][+STUDENT].

    Args:
        text: for example "unipose", "unipose:smoke", "unipose+depth" or
            "ablations:projection", where the name of an ablation takes the place of
            the variant.
        modality: the stage that is trained unless `text` names a student.
        variant: used unless `text` names one.

    Raises:
        errors.BadInput: there is no such config file or student.
    """
    source, _, student = text.partition("+")
    if student and student not in folders.MODALITIES[1:]:
        known = " or ".join(folders.MODALITIES[1:])
        raise errors.BadInput(f"{text!r} has an unknown student; use {known} after +")
    config, _, chosen = source.partition(":")
    known = sorted(path.stem for path in CONFIGS.glob("*.py"))
    if config not in known:
        raise errors.BadInput(f"no configs/{config}.py; use one of {', '.join(known)}")
    trained = ("points", student) if student else (modality,)
    if config == "ablations":
        return Entry(config, chosen, variant, chosen, trained)
    return Entry(config, "", chosen or variant, source, trained)


def load(path: str, overrides: Sequence[str]) -> ml_collections.ConfigDict:
    """Loads a config exactly as `run.py` does.

    Args:
        path: value of `--config`.
        overrides: "config.key=value", as flags of `run.py` without the dashes.

    Raises:
        errors.BadInput: the config cannot be made, or an override does not fit it.
    """
    argv = ["run.py", f"--config={path}", *(f"--{text}" for text in overrides)]
    values = flags.FlagValues()
    config = config_flags.DEFINE_config_file(
        "config", flag_values=values, sys_argv=argv
    )
    try:
        values(argv)
        config.value.items()  # a config that failed to load raises when it is used
    except Exception as error:
        raise errors.BadInput(config_files.describe(error, argv)) from error
    return config.value


def parse_sweep(text: str | None) -> tuple[str, list[str]]:
    """Parses `--sweep` into a key and its values; ("", [""]) without a sweep.

    Raises:
        errors.BadInput: there are no values.
    """
    if not text:
        return "", [""]
    key, _, values = text.partition("=")
    if not values:
        raise errors.BadInput(f"--sweep={text} has no values; write config.key=1,2,3")
    return key, values.split(",")


def varied(setting: str, value: str) -> str:
    """A value of a sweep as part of a folder's name; "" without a sweep."""
    return f"{setting.rpartition('.')[2]}={value}" if setting else ""


def check_settings(folder: pathlib.Path, settings: dict[str, Any]) -> None:
    """Checks that the checkpoints in a folder, if any, have the given settings.

    Raises:
        errors.BadInput: they were made with others, or no file states their settings.
    """
    if checkpoint.latest_step(folder) is None:
        return
    path = folder / SETTINGS
    if not path.exists():
        raise errors.BadInput(
            f"{folder} has checkpoints, but no {SETTINGS}; choose another --workdir"
        )
    saved = json.loads(path.read_text())
    for name in settings:
        if saved.get(name) != settings[name]:
            raise errors.BadInput(
                f"{folder} was made with {name} {saved.get(name)}, not "
                f"{settings[name]}; choose another --workdir"
            )


def write_settings(folder: pathlib.Path, settings: dict[str, Any]) -> None:
    """Records the settings of a run in its folder."""
    atomic.write_text(folder / SETTINGS, json.dumps(settings, indent=1) + "\n")


def remove_if_empty(folder: pathlib.Path) -> None:
    """Removes the folder of a run that holds at most its log and its settings.

    A student's folder inside is treated first, in the same way.
    """
    for path in (*folder.glob("*/"), folder):
        if path.is_dir() and {item.name for item in path.iterdir()} <= {SETTINGS, LOG}:
            shutil.rmtree(path)
