"""Compares initializations of 3D pose networks that are trained with few labels.

    python -m benchmarks.finetuning --workdir=runs/finetuning --seeds=0,1,2

For each seed, pre-trains the networks of `--starts`, fine-tunes each of them with
`configs/wsp_finetune.py` and each share of the 3D labels, all for the same number of
steps, and scores the test split. Complete runs are not repeated. The tables go to
`<workdir>/table.md` and to the terminal. `--set` overrides settings of fine-tuning,
`--set_pretraining` those of pre-training.
"""

import json
import pathlib
from typing import Any

import jax
import ml_collections
import numpy as np
from absl import app, flags

from benchmarks import study, study_tables
from data_pipelines.loading import sources
from unipose_jax import atomic, errors
from unipose_jax.cli import commands
from unipose_jax.report import tables
from unipose_jax.report.pages import run_page
from unipose_jax.train import loop, parallel, plan
from unipose_jax.train.checkpoints import checkpoint, restore
from unipose_jax.train.evaluation import evaluate, ranking_study
from unipose_jax.train.stage import Stage

STARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "scratch": ("", {}),
    "keypoints": ("ablations:wsp_keypoints", {}),
    "wsp": ("wsp", {}),
    "wsp_ranking": ("wsp", {"loss_weights.heatmap": 0.0}),
    "wsp_location": ("wsp", {"loss_weights.ranking": 0.0}),
    "wsp_depth": ("wsp", {"ordinal_labels.source": "depth"}),
}
"""Pre-training by name of the start: a config and its overrides; "" for none."""

KEYS = ("root_mpjpe_mm", "mpjpe_mm", "pa_mpjpe_mm", "map_10cm")

_STARTS = flags.DEFINE_list(
    "starts", ["scratch", "keypoints", "wsp"], "Initializations."
)
_SHARES = flags.DEFINE_list(
    "shares", ["0.01", "0.1", "1.0"], "Shares of the 3D labels."
)
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of each start and share.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study.")
_VARIANT = flags.DEFINE_string("variant", "quick", "Variant of each config.")
_SET = flags.DEFINE_multi_string(
    "set", [], "Override for fine-tuning: config.key=value."
)
_SET_PRE = flags.DEFINE_multi_string(
    "set_pretraining", [], "Override for pre-training: config.key=value."
)
_CACHE = flags.DEFINE_string(
    "compile_cache", "~/.cache/unipose_jax/compiled", "Folder; empty for none."
)


def main(argv: list[str]) -> None:
    """Runs the study."""
    del argv
    commands.silence_library_logs()
    commands.enable_compilation_cache(_CACHE.value)
    workdir = pathlib.Path(_WORKDIR.value).absolute()
    records: dict[tuple[str, str, str], dict[str, Any]] = {}
    # Seeds are outermost: a study that is stopped early still compares all starts.
    for seed in _SEEDS.value:
        for start in _STARTS.value:
            init = pretrained(start, seed, workdir)
            for share in _SHARES.value:
                config = load("wsp_finetune", [f"config.seed={seed}", *_SET.value])
                config.init_backbone, config.data.labeled_fraction = init, float(share)
                folder = workdir / f"{start}-{share}-{seed}"
                records[start, share, seed] = result(config, folder)
    text = to_markdown(records)
    atomic.write_text(workdir / "table.md", text)
    print(text)


def pretrained(start: str, seed: str, workdir: pathlib.Path) -> str:
    """Folder of a pre-trained run, which is trained if missing; "" for no start."""
    name, changes = STARTS[start]
    if not name:
        return ""
    config = load(name, [f"config.seed={seed}", *_SET_PRE.value])
    config.update_from_flattened_dict(changes)
    folder = workdir / f"{start}-{seed}"
    result(config, folder)
    return str(folder)


def load(name: str, overrides: list[str]) -> ml_collections.ConfigDict:
    """A config of `configs/`, in the variant of `--variant`."""
    return study.load(study.parse_entry(name, "points", _VARIANT.value).path, overrides)


def result(config: ml_collections.ConfigDict, folder: pathlib.Path) -> dict[str, Any]:
    """Scores of a run on the test split; the run is trained and scored if missing."""
    record = folder / "scores.json"
    resolved = plan.resolve(config, folder, training=True)
    (modality,) = resolved.requested
    stage = resolved.stage(modality)
    where = stage.folder
    saved = checkpoint.latest_meta(where)
    if saved and (
        differing := checkpoint.config_difference(
            saved, stage.config, include_evaluation_keys=True
        )
    ):
        raise SystemExit(f"{where}: {differing}; choose another --workdir")
    if not record.exists():
        print(f"train {folder}", flush=True)
        if not loop.train(stage):
            raise SystemExit(f"{folder} is incomplete; start again to continue")
        score = rank_scores if stage.method == "wsp" else pose_scores
        scores = score(stage) | run_page.provenance()
        atomic.write_text(record, json.dumps(tables.plain(scores), indent=1))
        jax.clear_caches()  # compiled programs use memory maps; Linux allows 65,530
        print(json.dumps({k: tables.plain(v) for k, v in scores.items() if "_" in k}))
    return json.loads(record.read_text())


def pose_scores(stage: Stage) -> dict:
    """Pose metrics over all joints."""
    recipe, state = stage.recipe, restore.restore_best(stage)
    test = sources.open_split(stage.data, "test")
    predicted = evaluate.predict_split(
        evaluate.make_predict(state.apply_fn, recipe.inputs),
        parallel.replicate(state.ema_params),
        test,
        batch_size=stage.batch_size,
    )
    truth = evaluate.read_ground_truth(test)
    joints = stage.skeleton
    return dict(evaluate.compute_metrics(predicted, truth, joints)["all"])


def rank_scores(stage: Stage) -> dict:
    """Shares of pairs that are ordered correctly."""
    state = restore.restore_best(stage)
    test = sources.open_split(stage.data, "test")
    return ranking_study.run_study(stage, state.ema_params, test)["scores"]


def to_markdown(records: dict[tuple[str, str, str], dict[str, Any]]) -> str:
    """A table for each share of the labels; `records` by start, share and seed."""
    made = [{key: r[key] for key in run_page.provenance()} for r in records.values()]
    note = (
        f"{len(_SEEDS.value)} seeds, mean ± standard deviation; "
        f"{study_tables.provenances(made)}; overrides: "
        f"{' '.join([*_SET.value, *_SET_PRE.value]) or 'none'}"
    )
    parts = []
    for share in _SHARES.value:
        rows = {
            start: {
                key: [records[start, share, seed][key] for seed in _SEEDS.value]
                for key in KEYS
            }
            for start in _STARTS.value
        }
        title = f"{float(share):.0%} of the 3D labels"
        table = tables.metrics_table(rows, keys=KEYS, title=title, note=note)
        parts += [tables.to_markdown(table), gains(rows)]
    return "\n".join(parts)


def gains(rows: dict[str, dict[str, list[float]]]) -> str:
    """Relative change of each start against the first one, seed by seed."""
    first, *others = rows
    lines = []
    for start in others:
        found = []
        for key in ("root_mpjpe_mm", "mpjpe_mm"):
            base, mine = np.array(rows[first][key]), np.array(rows[start][key])
            change = 100.0 * (mine / base - 1.0)
            shown = tables.column(key)
            found.append(
                f"{shown.label} {tables.cell_text(tables.spread(change), shown)} %, "
                f"lower in {(mine < base).sum()} of {len(base)} seeds"
            )
        lines.append(f"- {start} against {first}: {'; '.join(found)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with errors.exit_on_bad_input():
        app.run(main)
