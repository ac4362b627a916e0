"""Scores the networks of a run on the test split: `run.py --mode=evaluate`."""

import hashlib
import json
import pathlib
import sys
from typing import Any

from data_pipelines.ground import settings
from data_pipelines.loading import sources
from unipose_jax import errors, models
from unipose_jax.train import metric_writer, parallel, plan
from unipose_jax.train.checkpoints import checkpoint, restore
from unipose_jax.train.evaluation import evaluate, lifting_study, ranking_study
from unipose_jax.train.stage import Stage


def evaluate_run(
    config: Any, workdir: pathlib.Path, *, data_dir: str | None = None
) -> int:
    """Scores the best checkpoints of a run; see `evaluate_plan`.

    Args:
        config: with the data to score on; None for the config of the run.
        workdir: of the run.
        data_dir: folder of prepared data sets, in place of that of the run's config.
    """
    if config is None:
        return evaluate_plan(plan.of_run(workdir, data_dir=data_dir or ""))
    return evaluate_plan(plan.resolve(config, workdir, training=False))


def evaluate_plan(resolved: plan.Plan) -> int:
    """Scores the best checkpoints on the test split: JSON, tables, pictures, pages.

    Results go to the folder of each stage, or, for other data than it was trained on,
    to a folder below it. Students come first and points last, whose page compares all
    modalities. Students are skipped, with a line, if the data have no crops for them
    and another network can be scored.

    Returns:
        The exit status of the process.

    Raises:
        errors.BadInput: there is no checkpoint, or no data to score it on.
    """
    first = resolved.stages[0]
    if first.method == "wsp":
        return _evaluate_ranking(first)
    stages = (stage.name for stage in resolved.stages)
    names = tuple(n for name in stages for n in (name, _with_keypoints(name)))
    results: dict[str, Any] = {}
    for stage in reversed(resolved.stages):
        others = {name: results[name] for name in names if name in results}
        try:
            results |= _evaluate_stage(stage, others=others)
        except errors.MissingCrops as error:
            if stage is first and not results:
                raise
            print(f"{stage.name} is not scored: {error}", file=sys.stderr)
    if parallel.is_main_process() and len(results) > 1:
        from unipose_jax.report.pages import run_page

        in_order = {name: results[name] for name in names if name in results}
        if text := run_page.comparison_text(in_order):
            print(text)
    return 0


def _with_keypoints(name: str) -> str:
    """Row of the comparison for a network that also gets the 2D keypoints."""
    return f"{name} and keypoints"


def _evaluate_stage(stage: Stage, *, others) -> dict[str, Any]:
    """Scores one network, writes its report and returns its results by modality.

    A network that takes 2D keypoints beside points is scored without and with them.
    """
    recipe, state = stage.recipe, restore.restore_best(stage)
    target = _evaluation_folder(stage)
    test = sources.open_split(stage.data, "test")
    evaluate.check_fields(
        test, recipe.inputs, data=stage.data.name, consumer=stage.model["name"]
    )
    predicted, informed, truth = _predict(stage, state, test)
    if not parallel.is_main_process():
        return {}
    skel = stage.skeleton
    results = evaluate.compute_metrics(predicted, truth, skel)
    with_keypoints = {}
    if informed is not None:
        name = _with_keypoints(stage.name)
        with_keypoints[name] = evaluate.compute_metrics(informed, truth, skel)
    from unipose_jax.report import tables
    from unipose_jax.report.pages import examples, run_page

    protocol = run_page.protocol(stage.data, results, test.protocol)
    studied = {}
    if stage.method == "pose_machine":
        studied = lifting_study.run_study(stage, state.ema_params, test)
    page = run_page.report_run(
        stage.config,
        stage.data,
        target,
        int(state.step),
        results,
        test,
        predicted,
        protocol=protocol,
        truth=truth,
        log=stage.folder / "log.jsonl",
        images=_test_images(stage.data, min(examples.NUM_CLIPS, len(test))),
        modality=stage.name,
        others=with_keypoints | others,
        with_keypoints=with_keypoints.get(_with_keypoints(stage.name)),
        studied=studied,
        conditions=evaluate.metrics_by_condition(predicted, truth, skel),
    )
    if target == stage.folder:
        metric_writer.write_images(target, int(state.step), page.parent / "figures")
    print("\n".join(filter(None, [protocol, run_page.summary_text(results)])))
    for name, informed_results in with_keypoints.items():
        if text := run_page.summary_text(informed_results):
            print(f"{stage.name} without 2D keypoints above, {name} here:\n{text}")
    for table in run_page.study_tables(studied):
        print(tables.to_text(table))
    if not results["all"]["num_frames"]:
        print(
            "the test split has no 3D truth (joints.npz), so the report has no scores"
        )
    print(f"report: {page}")
    return {stage.name: results, **with_keypoints}


def _predict(
    stage: Stage, state: Any, test: Any
) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any]]:
    """Predictions without and with 2D keypoints, and the truth, in one pass.

    The second is None for a network without keypoints.
    """
    apply_fn = stage.recipe.predict_fn or state.apply_fn
    inputs = {"plain": stage.recipe.inputs}
    if stage.model.get("keypoints", False):
        inputs["informed"] = inputs["plain"]
        inputs["plain"] = models.input_fields({**stage.model, "keypoints": False})
    networks = {
        kind: evaluate.make_predict(apply_fn, names) for kind, names in inputs.items()
    }

    def predict(params: Any, batch: Any) -> dict[str, Any]:
        return {
            f"{kind}/{name}": value
            for kind, network in networks.items()
            for name, value in network(params, batch).items()
        }

    found = evaluate.predict_split(
        predict,
        parallel.replicate(state.ema_params),
        test,
        batch_size=stage.batch_size,
        keep=evaluate.TRUTH,
    )

    def part(kind: str) -> dict[str, Any]:
        start = f"{kind}/"
        return {
            name.removeprefix(start): values
            for name, values in found.items()
            if name.startswith(start)
        }

    return part("plain"), part("informed") or None, part("clip")


def _test_images(data: settings.DataSettings, count: int) -> list[dict[str, Any]]:
    """Images of the first test clips, where they can be rendered again."""
    if not data.is_synthetic:
        return []
    from data_pipelines.rendered import clip_pool

    images = clip_pool.render_images(data, "test", count)
    names = {
        "depth": "depth",
        "intrinsics": "depth_intrinsics",
        "color": "color",
    }
    return [
        {name: images[source][index] for name, source in names.items()}
        for index in range(count)
    ]


def _evaluate_ranking(stage: Stage) -> int:
    """Scores a network that ranks keypoints by depth, and writes its report."""
    state = restore.restore_best(stage)
    target = _evaluation_folder(stage)
    test = sources.open_split(stage.data, "test")
    studied = ranking_study.run_study(stage, state.ema_params, test)
    if not parallel.is_main_process():
        return 0
    from unipose_jax.report import tables
    from unipose_jax.report.pages import ranking_page

    page = ranking_page.write_run(
        target,
        studied,
        step=int(state.step),
        protocol=test.protocol,
        config=stage.config,
    )
    print(
        f"{test.protocol}\n{tables.to_text(ranking_page.table_of(studied['scores']))}"
    )
    print(f"report: {page}")
    return 0


def _evaluation_folder(stage: Stage) -> pathlib.Path:
    """Folder of the report: the run's, or one below it for other data or settings."""
    meta = checkpoint.latest_meta(stage.folder)
    sections = ("data", "correction", "study")
    prefixes = tuple(f"{section}." for section in sections)
    if meta is None or not checkpoint.config_difference(
        meta, stage.config, prefixes, include_evaluation_keys=True
    ):
        return stage.folder
    scored = [stage.config.get(section) for section in sections]
    digest = hashlib.sha256(json.dumps(scored, sort_keys=True).encode()).hexdigest()
    return stage.folder / "evaluations" / digest[:8]
