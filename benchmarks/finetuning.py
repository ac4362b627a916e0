"""Whether pre-training pays: 3D pose with few labels, from different starts.

    python -m benchmarks.finetuning --workdir=runs/finetuning --seeds=0,1,2

For each seed it pre-trains, in folders of `--workdir`, what `--starts` ask for, then
fine-tunes `configs/wsp_finetune.py` from each of them with each share of the 3D labels,
all for the same number of steps, and scores the test split. What is complete is not
repeated. The tables go to `<workdir>/table.md` and the terminal. `--set` overrides
settings of the fine-tuning, `--set_pretraining` those of all pre-training.
"""

import ast
import importlib
import json
import pathlib
from typing import Any

import jax
import ml_collections
import numpy as np
from absl import app, flags

from data_pipelines.loading import sources
from unipose_jax import errors, skeleton
from unipose_jax.cli import commands
from unipose_jax.report import files, tables
from unipose_jax.report.pages import experiment, studies
from unipose_jax.train import loop, parallel
from unipose_jax.train.checkpoints import checkpoint, folders, restore
from unipose_jax.train.evaluation import evaluate, ranking_study
from unipose_jax.train.plan import stages

STARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "scratch": ("", {}),
    "keypoints": ("ablations.wsp_keypoints", {}),
    "wsp": ("wsp", {}),
    "wsp_ranking": ("wsp", {"loss_weights.location": 0.0}),
    "wsp_location": ("wsp", {"loss_weights.ranking": 0.0}),
    "wsp_depth": ("wsp", {"rule.source": "depth"}),
}
"""What a run may start with: a config and what is changed in it; "" is nothing."""

KEYS = ("root_mpjpe_mm", "mpjpe_mm", "pa_mpjpe_mm", "map_10cm")

_STARTS = flags.DEFINE_list("starts", ["scratch", "keypoints", "wsp"], "Of `STARTS`.")
_SHARES = flags.DEFINE_list("shares", ["0.01", "0.1", "1.0"], "Of the 3D labels.")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Of each start and share.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study.")
_VARIANT = flags.DEFINE_string("variant", "quick", "Of each config.")
_SET = flags.DEFINE_multi_string(
    "set", [], "Override of fine-tuning: config.key=value."
)
_SET_PRE = flags.DEFINE_multi_string(
    "set_pretraining", [], "Override: config.key=value."
)
_CACHE = flags.DEFINE_string(
    "compile_cache", "~/.cache/unipose_jax/compiled", "Or none."
)


def main(argv: list[str]) -> None:
    """Runs the study."""
    del argv
    commands.quiet_logs()
    commands.use_compile_cache(_CACHE.value)
    study = pathlib.Path(_WORKDIR.value).absolute()
    records: dict[tuple[str, str, str], dict[str, Any]] = {}
    # Seeds outermost: a study cut short still compares all starts.
    for seed in _SEEDS.value:
        for start in _STARTS.value:
            init = pretrained(start, seed, study)
            for share in _SHARES.value:
                config = overridden(config_of("wsp_finetune", seed), _SET.value)
                config.init, config.data.label_share = init, float(share)
                folder = study / f"{start}-{share}-{seed}"
                records[start, share, seed] = result(config, folder)
    text = to_markdown(records)
    files.write_text(study / "table.md", text)
    print(text)


def pretrained(start: str, seed: str, study: pathlib.Path) -> str:
    """The folder of a pre-trained run, trained if need be; "" for none."""
    name, changes = STARTS[start]
    if not name:
        return ""
    config = overridden(config_of(name, seed), _SET_PRE.value)
    config.update_from_flattened_dict(changes)
    folder = study / f"{start}-{seed}"
    result(config, folder)
    return str(folder)


def config_of(name: str, seed: str) -> ml_collections.ConfigDict:
    """A config of `configs/`."""
    module = importlib.import_module(f"configs.{name}")
    config = module.get_config(_VARIANT.value)
    config.seed = int(seed)
    return config


def overridden(config: ml_collections.ConfigDict, settings: list[str]):
    """A config with the settings "config.key=value" that it has.

    Raises:
        KeyError: there is no such setting.
        ValueError: the value is of another kind.
    """
    for setting in settings:
        key, _, text = setting.removeprefix("config.").partition("=")
        *path, last = key.split(".")
        part = config
        for name in path:
            part = part[name]
        kind = type(part[last])
        value = text if kind is str else ast.literal_eval(text)
        if kind is float and isinstance(value, int):
            value = float(value)
        if not isinstance(value, kind):
            raise ValueError(f"{setting}: {key} is of type {kind.__name__}")
        part[last] = value
    return config


def result(config: ml_collections.ConfigDict, folder: pathlib.Path) -> dict[str, Any]:
    """Scores of a run on the test split; trained and scored unless that is done."""
    record = folder / "scores.json"
    (modality,) = stages.listed(config)
    stage = stages.config_of(config, modality, folder)
    where = folders.folder_of(folder, modality)
    saved = checkpoint.newest_meta(where)
    if saved and (differing := checkpoint.difference(saved, stage, at_test_time=True)):
        raise SystemExit(f"{where}: {differing}; choose another --workdir")
    if not record.exists():
        print(f"train {folder}", flush=True)
        if not loop.train(stage, where):
            raise SystemExit(f"{folder} is not finished; start again to go on")
        score = rank_scores if stage.recipe == "wsp" else pose_scores
        scores = score(stage, where) | experiment.provenance()
        files.write_text(record, json.dumps(files.plain(scores), indent=1))
        jax.clear_caches()  # programs keep pages mapped, of which Linux allows 65,530
        print(json.dumps({k: files.plain(v) for k, v in scores.items() if "_" in k}))
    return json.loads(record.read_text())


def pose_scores(config: ml_collections.ConfigDict, folder: pathlib.Path) -> dict:
    """All metrics of poses, over all joints."""
    recipe, state = restore.best(config, folder)
    test = sources.open_split(config, "test")
    predicted = evaluate.predict_split(
        evaluate.make_predict(state.apply_fn, recipe.inputs),
        parallel.replicate(state.ema_params),
        test,
        batch_size=config.global_batch_size,
    )
    truth = evaluate.truth_of(test)
    joints = skeleton.by_name(config.data.skeleton)
    return dict(evaluate.measure(predicted, truth, joints)["all"])


def rank_scores(config: ml_collections.ConfigDict, folder: pathlib.Path) -> dict:
    """Shares of pairs that are ordered rightly."""
    recipe, state = restore.best(config, folder)
    test = sources.open_split(config, "test")
    return ranking_study.study(recipe, config, state.ema_params, test)["scores"]


def to_markdown(records: dict[tuple[str, str, str], dict[str, Any]]) -> str:
    """A table for each share; `records` are by start, share and seed."""
    made = [{key: r[key] for key in experiment.provenance()} for r in records.values()]
    note = (
        f"{len(_SEEDS.value)} seeds, mean ± standard deviation; "
        f"{studies.provenances(made)}; overrides: "
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
    """How each start compares with the first one of the table, seed by seed."""
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
    with errors.told():
        app.run(main)
