"""Exports a run's best weights to two small files that need no pickle.

    python -m examples.export_weights --config=configs/unipose.py \
        --workdir=runs/unipose --output=unipose_jax/weights/points

How the weights that ship with the package were written; `estimator.load(output)` reads
them.
"""

import json
import pathlib

import jax
from absl import app, flags
from ml_collections import config_flags

from data_pipelines.ground import files
from unipose_jax import errors, estimator
from unipose_jax.cli import commands
from unipose_jax.train.checkpoints import folders, restore
from unipose_jax.train.plan import stages

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config of the run.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
_OUTPUT = flags.DEFINE_string("output", None, "File to write, without a suffix.")
_MODALITY = flags.DEFINE_enum("modality", "points", folders.MODALITIES, "Which stage.")
flags.mark_flags_as_required(["config", "workdir", "output"])


def main(argv: list[str]) -> None:
    """Exports."""
    del argv
    commands.quiet_logs()
    with errors.told():
        export()


def export() -> None:
    """Reads the run and writes its weights."""
    workdir = pathlib.Path(_WORKDIR.value).expanduser()
    files.check_writable(f"{_OUTPUT.value}.npz")
    stage = stages.config_of(_CONFIG.value, _MODALITY.value, workdir)
    folder = folders.folder_of(workdir, _MODALITY.value)
    _, state = restore.best(stage, folder)
    scored = folder / "metrics.json"
    if not scored.is_file():
        raise errors.BadInput(f"no {scored}; run --mode=evaluate first")
    record = json.loads(scored.read_text())
    summary = {
        name: {key: group[key] for key in ("map_10cm", "mpjpe_mm")}
        for name, group in record["results"].items()
    }
    used = restore.settings_of(folder)  # on clips as the run had them
    notes = {key: record[key] for key in ("step", "seed", "protocol", "provenance")}
    estimator.export(
        _OUTPUT.value,
        estimator.from_config(used, jax.device_get(state.ema_params)),
        notes | {"results": summary},
    )


if __name__ == "__main__":
    app.run(main)
