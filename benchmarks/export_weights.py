"""Exports the best weights of a run to two small files that need no pickle.

    python -m benchmarks.export_weights RUN OUTPUT [points|depth|rgb]

RUN is the workdir of a run that has been evaluated, OUTPUT a path without a suffix. The
weights that ship with the package were written in this way. `estimator.load(OUTPUT)`
reads them.
"""

import json
import pathlib
import sys

from data_pipelines.ground import file_io
from unipose_jax import errors, estimator
from unipose_jax.cli import commands
from unipose_jax.train.checkpoints import folders, restore


def main(run: pathlib.Path, output: pathlib.Path, modality: str = "points") -> None:
    """Writes OUTPUT.npz and OUTPUT.json.

    Raises:
        errors.BadInput: the run has no checkpoint or no scores, the modality is
            unknown, or nothing can be written to `output`.
    """
    if modality not in folders.MODALITIES:
        choices = ", ".join(folders.MODALITIES)
        raise errors.BadInput(f"unknown modality {modality!r}; use one of {choices}")
    file_io.check_writable(f"{output}.npz")
    folder = folders.folder_of(run.expanduser(), modality)
    config = restore.read_config(folder)
    params = restore.restore_params(folder)
    scored = folder / "metrics.json"
    if not scored.is_file():
        raise errors.BadInput(f"no {scored}; run --mode=evaluate first")
    record = json.loads(scored.read_text())
    summary = {
        name: {key: group[key] for key in ("map_10cm", "mpjpe_mm")}
        for name, group in record["results"].items()
    }
    notes = {key: record[key] for key in ("step", "seed", "protocol", "provenance")}
    estimator.export(
        output,
        estimator.from_config(config, params),
        notes | {"results": summary},
    )


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: export_weights.py RUN OUTPUT [points|depth|rgb]")
    commands.silence_library_logs()
    with errors.exit_on_bad_input():
        main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:])
