"""The report of a training run."""

import json
import pathlib
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from unipose_jax import atomic
from unipose_jax.report import curves, inputs, logs, page, tables
from unipose_jax.report.pages import examples

RENDERED = (
    "The people behind these figures and pictures are rendered by "
    "unipose_jax.synthesis, not recorded: the truth is exact, and the figures tell "
    "nothing yet about real cameras, rooms and clothes."
)
KEYS = (*tables.MAIN, "map_10cm_upper", "map_10cm_lower", "bone_length_error_mm")
COMPARED = ("mpjpe_mm", "root_mpjpe_mm", "pa_mpjpe_mm", "map_10cm", "auc")
NUM_INPUTS = 3  # first test clips whose inputs are drawn

Results = Mapping[str, Mapping[str, Any]]


def summary_text(results: Results) -> str:
    """The table of a run for the terminal: all, visible and occluded joints."""
    return tables.to_text(_table(results)) if has_truth(results) else ""


def has_truth(results: Results) -> bool:
    """Whether a frame was scored, which needs a 3D truth."""
    return bool(_scored(results))


def report_run(
    config: Mapping[str, Any],
    data: inputs.ClipSettings,
    workdir: pathlib.Path,
    step: int,
    results: Results,
    test,
    predicted: Mapping[str, np.ndarray],
    *,
    protocol: str,
    log: pathlib.Path,
    truth: Mapping[str, np.ndarray] | None = None,
    images: Sequence[Mapping[str, np.ndarray]] = (),
    modality: str = "points",
    others: Mapping[str, Results] | None = None,
    studied: Mapping[str, Results] | None = None,
    conditions: Results | None = None,
    with_keypoints: Results | None = None,
) -> pathlib.Path:
    """Writes `metrics.json` and the page of a run.

    Args:
        config: of the run, JSON-able; shown on the page.
        data: which clips.
        workdir: where they go, the page to its folder `report`.
        step: of the checkpoint.
        results: from `train.evaluation.evaluate.compute_metrics`.
        test: random access to the test clips, of which some are drawn.
        predicted: `xyz` and `confidence` of the same clips.
        protocol: from `protocol`.
        log: of the training.
        truth: `xyz` and `xyz_valid` of the clips; None reads `test` for them.
        images: `depth` with its `intrinsics`, and `color`, of the first
            `examples.NUM_CLIPS` test clips; () if there are none.
        modality: what the network sees.
        others: results of other modalities that were trained beside, by name.
        studied: from `train.evaluation.lifting_study`, for pose machines.
        conditions: from `train.evaluation.evaluate.metrics_by_condition`.
        with_keypoints: results of the same network with 2D keypoints as input; those in
            `results` are without.

    Returns:
        Path of the page.
    """
    origin = provenance()
    record = {
        "step": step,
        "seed": config["seed"],
        "protocol": protocol,
        "provenance": origin,
        "results": results,
        "results_with_keypoints": with_keypoints,
        "conditions": conditions,
        "study": studied,
    }
    _write_metrics(workdir, record)
    path = workdir / "report" / "index.html"
    title = f"{config['recipe']} on {data.name}"
    page.begin_page(path, title=title)
    scenes = examples.scenes_of(data.skeleton, test, predicted, images, truth)
    code = json.dumps(config, indent=2, default=str, ensure_ascii=False)
    page.write_page(
        path,
        [
            _metrics_section(results, conditions, studied, protocol),
            page.Section("Examples", scenes=scenes),
            page.Section("Learning", charts=curves.of_run(logs.read_log(log))),
            page.Section("Joints", numbers=_joints(results, data.skeleton)),
            *_sections(results, {modality: results, **(others or {})}, protocol),
            *_input_section(path.parent, data.skeleton, test),
            page.Section("Configuration", code=code),
        ],
        title=title,
        subtitle=" · ".join(origin.values()),
        notice=RENDERED * data.is_synthetic,
        headlines=_headlines(results),
    )
    return path


def _write_metrics(workdir: pathlib.Path, record: Mapping[str, Any]) -> None:
    """Writes `metrics.json`, without results that there are none of."""
    kept = {name: value for name, value in record.items() if value not in (None, {})}
    text = json.dumps(tables.plain(kept), indent=1)
    atomic.write_text(workdir / "metrics.json", text + "\n")


def _metrics_section(
    results: Results,
    conditions: Results | None,
    studied: Mapping[str, Results] | None,
    protocol: str,
) -> page.Section:
    """The results in tables."""
    found = [
        *_main_table(results, protocol),
        *_condition_tables(conditions or {}),
        *study_tables(studied or {}),
    ]
    return page.Section("Results", numbers=found)


def _input_section(folder: pathlib.Path, skeleton: str, test) -> list[page.Section]:
    """What the networks are fed of the first clips; nothing without OpenCV."""
    try:
        from unipose_jax.report.pages import input_pictures
    except ModuleNotFoundError:
        return []
    clips = [test[index] for index in range(min(NUM_INPUTS, len(test)))]
    figures = input_pictures.write(folder, skeleton, clips)
    if not figures:
        return []
    text = (
        "Middle frames of the first test clips. The networks are fed these points and "
        "crops; 2D keypoints are targets of the training, or an input."
    )
    return [page.Section("What the networks are fed", text=text, figures=figures)]


def study_tables(studied: Mapping[str, Results]) -> list[tables.Table]:
    """Tables of what `train.evaluation.lifting_study` found.

    Args:
        studied: by name, rows of metrics by name.
    """
    titles = {
        "actions": "By person and action: before the correction network (coarse), after"
        " it (uncorrected), and after correction at test time (corrected)",
        "noise": "By noise of the keypoints and steps of correction at test time, mean"
        " over actions",
    }
    scored = {
        name: {row: values for row, values in rows.items() if values}
        for name, rows in studied.items()
    }
    return [
        tables.metrics_table(rows, title=titles[name])
        for name, rows in scored.items()
        if rows
    ]


def conditions_text(conditions: Results) -> str:
    """What `train.evaluation.evaluate.metrics_by_condition` found, for the terminal."""
    return "\n".join(map(tables.to_text, _condition_tables(conditions)))


def _condition_tables(conditions: Results) -> list[tables.Table]:
    conditions = _scored(conditions)
    if not conditions:
        return []
    title = "By depth of the person and by how far they turn away from the camera"
    shown = ("num_frames", "map_10cm", "mpjpe_mm", "pa_mpjpe_mm")
    return [tables.metrics_table(conditions, keys=shown, title=title)]


def comparison_text(results: Mapping[str, Results]) -> str:
    """Modalities side by side, for the terminal; `results` are by modality."""
    table = _comparison(results)
    return tables.to_text(table) if table.rows else ""


def _comparison(results: Mapping[str, Results]) -> tables.Table:
    rows = {
        f"{name}, {group} joints": results[name][group]
        for group in ("all", "visible", "occluded")
        for name in results
    }
    return tables.metrics_table(_scored(rows), keys=COMPARED)


def _sections(
    results: Results, by_modality: Mapping[str, Results], protocol: str
) -> list[page.Section]:
    """The protocol where no table names it, and modalities that can be compared."""
    plain = [] if has_truth(results) else [page.Section("Results", text=protocol)]
    return plain + (_modalities(by_modality) if len(by_modality) > 1 else [])


def _modalities(results: Mapping[str, Results]) -> list[page.Section]:
    """Networks of one run that see different things, side by side."""
    return [
        page.Section(
            "Modalities",
            text="Networks that see points, points and 2D keypoints, the depth crop or "
            "the colour crop of the same test clips. The crop networks learnt from the "
            "joints that a network of points finds; their reports are in the folders "
            "depth and rgb of the run.",
            numbers=[table] if (table := _comparison(results)).rows else [],
        )
    ]


def protocol(data: inputs.ClipSettings, results: Results, source: str) -> str:
    """Which frames and joints the figures are about.

    Args:
        data: which clips.
        results: from `train.evaluation.evaluate.compute_metrics`.
        source: what the test split says of itself.
    """
    name = " ".join(filter(None, (data.name, data.variant)))
    motion = f", driven by {data.motion}" if data.motion else ""
    if not has_truth(results):
        return f"Test split of {name}{motion}: no 3D truth to score by. {source}"
    return (
        f"Test split of {name}{motion}: {results['all']['num_frames']:,} frames scored "
        f"in clips of {data.frames}, all {data.skeleton} joints, absolute camera-frame "
        f"positions; mAP@10cm counts joints within 10 cm. {source}"
    )


def provenance() -> dict[str, str]:
    """Commit, libraries and device of this process."""
    root = pathlib.Path(__file__).resolve().parents[3]
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        git = subprocess.run(command, capture_output=True, text=True, check=False)
        commit = git.stdout.strip()
    except OSError:  # no git on this machine
        commit = ""
    device = jax.devices()[0]
    return {
        "commit": commit or "not in a git checkout",
        "jax": f"jax {jax.__version__}",
        "device": f"{jax.device_count()} x {device.device_kind} ({device.platform})",
    }


def _scored(results: Results) -> Results:
    """The groups that have frames to measure."""
    return {name: group for name, group in results.items() if group["num_frames"]}


def _table(results: Results, title: str = "") -> tables.Table:
    rows = {f"{name} joints": group for name, group in _scored(results).items()}
    return tables.metrics_table(rows, keys=KEYS, title=title)


def _main_table(results: Results, title: str) -> list[tables.Table]:
    return [_table(results, title)] if has_truth(results) else []


def _joints(results: Results, skeleton: str) -> list[tables.Table]:
    """Errors of each joint by group of joints; no table without a truth."""
    rows = {
        name: tables.joint_values(group["joint_mpjpe_mm"], skeleton=skeleton)
        for name, group in _scored(results).items()
    }
    title = "Mean error of each joint [mm]"
    return [tables.joint_table(rows, skeleton=skeleton, title=title)] * bool(rows)


def _headlines(results: Results) -> list[page.Headline]:
    """The most important figures, of those that there is a truth for."""
    found = {
        "mAP@10cm": (100 * results["all"]["map_10cm"], ".1f", "%"),
        "MPJPE": (results["all"]["mpjpe_mm"], ".0f", "mm"),
        "mAP@10cm, occluded": (100 * results["occluded"]["map_10cm"], ".1f", "%"),
    }
    return [
        page.Headline(name, f"{value:{digits}} {unit}")
        for name, (value, digits, unit) in found.items()
        if np.isfinite(value)
    ]
