"""Trains a list of configs over seeds, one after the other, and writes one table.

    python -m benchmarks.ablations --configs=unipose,ablations/projection \
        --seeds=0,1,2 --workdir=runs/study --set=config.num_train_steps=1200

Each run is `run.py` in its own folder; runs that are complete are not repeated, so an
interrupted study goes on. The table goes to `<workdir>/table.md` and the terminal.
"""

import json
import pathlib
import subprocess
import sys

from absl import app, flags

from unipose_jax.report import files, tables

_CONFIGS = flags.DEFINE_list("configs", None, "Files in configs/, without .py.")
_VARIANT = flags.DEFINE_string("variant", "quick", "Variant of each config.")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of each config.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study.")
_SET = flags.DEFINE_multi_string("set", [], "Override for all runs: config.key=value.")
flags.mark_flags_as_required(["configs", "workdir"])

ROOT = pathlib.Path(__file__).resolve().parents[1]
KEYS = ("map_10cm", "mpjpe_mm", "pa_mpjpe_mm", "accel_error", "bone_length_error_mm")


def train(config: str, seed: str, workdir: pathlib.Path) -> dict:
    """Results of one run, trained unless they are there already."""
    record = workdir / "metrics.json"
    if not record.exists():
        subprocess.run(
            [
                sys.executable,
                str(ROOT / "run.py"),
                f"--config={ROOT / 'configs' / config}.py:{_VARIANT.value}",
                f"--workdir={workdir}",
                f"--config.seed={seed}",
                *(f"--{override}" for override in _SET.value),
            ],
            cwd=ROOT,
            check=True,
        )
    return json.loads(record.read_text())


def main(argv: list[str]) -> None:
    """Runs the study."""
    del argv
    study = pathlib.Path(_WORKDIR.value)
    groups: dict[str, dict[str, dict]] = {"all": {}, "visible": {}, "occluded": {}}
    for config in _CONFIGS.value:
        name = pathlib.PurePath(config).name
        records = [train(config, s, study / f"{name}-{s}") for s in _SEEDS.value]
        for group, rows in groups.items():
            rows[name] = {
                key: [record["results"][group][key] for record in records]
                for key in KEYS
            }
    note = (
        f"{len(_SEEDS.value)} seeds, mean ± standard deviation; "
        f"{records[0]['protocol']}; {', '.join(records[0]['provenance'].values())}; "
        f"overrides: {' '.join(_SET.value) or 'none'}"
    )
    parts = [
        tables.to_markdown(
            tables.metrics_table(rows, keys=KEYS, title=f"{group} joints", note=note)
        )
        for group, rows in groups.items()
    ]
    files.write_text(study / "table.md", "\n".join(parts))
    print("\n".join(parts))


if __name__ == "__main__":
    app.run(main)
