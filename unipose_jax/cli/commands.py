"""What `run.py` does in each mode."""

import hashlib
import json
import logging
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

from data_pipelines.ground import pose_file, settings
from data_pipelines.loading import sources
from unipose_jax import errors, metrics, skeleton
from unipose_jax.report import tables
from unipose_jax.train import loop, metric_writer, parallel
from unipose_jax.train.checkpoints import checkpoint, folders, restore
from unipose_jax.train.evaluation import evaluate, lifting_study, ranking_study
from unipose_jax.train.plan import preflight, stages


def run(mode: str, config: ml_collections.ConfigDict | None, options) -> int:
    """Runs one mode; returns the exit status.

    Args:
        mode: one of those of `run.py`.
        config: of the run; predict can do without.
        options: the flags of `run.py`, as attributes.

    Raises:
        errors.BadInput: with one line for the user.
    """
    silence_library_logs()
    enable_compilation_cache(options.compile_cache)
    if mode in ("predict", "refine", "score", "convert", "keypoints"):
        return _run_file_mode(mode, config, options)
    if config is None:
        raise errors.BadInput(f"--mode={mode} needs --config=configs/<name>.py")
    if options.data_dir:
        config.data.data_dir = options.data_dir
    _check_config_paths(config)
    host = {"host": options.process_id, "hosts": options.num_processes}
    if mode == "prepare":
        from unipose_jax.cli import data_commands

        data = settings.DataSettings.from_config(config.data)
        # Rendered people have no original files.
        synthetic = data.is_synthetic
        source = pathlib.Path() if synthetic else _required_path(options, "source")
        config.data.crop_size = stages.shared_crop_size(config)
        return data_commands.prepare_data(config, source, **host)
    workdir = _required_path(options, "workdir")
    parallel.initialize(options.coordinator, options.num_processes, options.process_id)
    if mode == "evaluate":
        return evaluate_run(config, workdir)
    return train(config, workdir)


def _run_file_mode(mode: str, config: ml_collections.ConfigDict | None, options) -> int:
    """The modes that work on one recording or pose file, and need no config."""
    path = _required_path(options, "input")
    if config is not None:
        _check_config_paths(config)
    if mode == "score":
        return score(path, _required_path(options, "truth"))
    # Imported where used: these need OpenCV.
    if mode == "predict":
        from unipose_jax.cli import prediction

        return prediction.predict(
            config,
            _optional_path(options, "workdir"),
            path,
            _required_path(options, "output"),
            modality=options.modality,
            pictures=options.pictures,
        )
    if mode == "refine":
        from unipose_jax.cli import refinement

        seen = _optional_path(options, "recording")
        output = _required_path(options, "output")
        return refinement.refine_file(
            path, output, recording_path=seen, pictures=options.pictures
        )
    from unipose_jax.cli import data_commands

    if mode == "keypoints":
        model = _optional_path(options, "model")
        return data_commands.show_keypoints(path, model, options.skeleton)
    return data_commands.convert_recording(
        path,
        _required_path(options, "output"),
        fps=options.fps,
        depth_unit=options.depth_unit,
    )


def silence_library_logs() -> None:
    """Keeps the INFO lines of libraries, which absl shows, from the terminal."""
    for name in ("absl", "jax", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)


def enable_compilation_cache(folder: str) -> None:
    """Keeps compiled programs between runs; "" keeps none."""
    if folder:
        remote = "://" in folder  # JAX itself reads and writes gs:// and the like
        path = folder if remote else str(pathlib.Path(folder).expanduser())
        jax.config.update("jax_compilation_cache_dir", path)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def train(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> int:
    """Trains the stages of a config, or goes on; then evaluates and reports."""
    preflight.check_stages(config, workdir)
    for modality in stages.requested_stages(config):
        # Only now: the points that teach a student may have been trained just before.
        stage = stages.stage_config(config, modality, workdir)
        try:
            complete = loop.train(stage, folders.folder_of(workdir, modality))
        except metric_writer.NonFiniteLoss as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        if not complete:
            return 0
    return evaluate_run(config, workdir)


def evaluate_run(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> int:
    """Scores the best checkpoints on the test split: JSON, tables, pictures, pages.

    They go to the folder of each stage, or, of other data than it was trained for, to
    a folder below it. The last page, of the points where they were trained, shows all
    modalities side by side. Students are left out, with a line that says why, where
    data have no crops for them and another network can be scored.

    Raises:
        errors.BadInput: there is no checkpoint, or nothing to score it on.
    """
    if config.recipe == "wsp":
        return _evaluate_ranking(
            stages.stage_config(config, "points", workdir), workdir
        )
    trained = folders.trained_stages(workdir) or ("points",)
    results: dict[str, Any] = {}
    for modality in reversed(trained):
        stage = stages.stage_config(config, modality, workdir)
        folder = folders.folder_of(workdir, modality)
        others = {name: results[name] for name in trained if name in results}
        try:
            results[modality] = _evaluate_stage(modality, stage, folder, others=others)
        except errors.MissingCrops as error:
            if modality == trained[0] and not results:
                raise
            print(f"{modality} is not scored: {error}", file=sys.stderr)
    if parallel.is_main_process() and len(results) > 1:
        from unipose_jax.report.pages import run_page

        in_order = {name: results[name] for name in trained if name in results}
        if text := run_page.comparison_text(in_order):
            print(text)
    return 0


def _evaluate_stage(
    modality: str, config: ml_collections.ConfigDict, workdir: pathlib.Path, *, others
) -> dict[str, Any]:
    """Scores one network, writes its report and returns its results."""
    recipe, state = restore.restore_best(config, workdir)
    target = _evaluation_folder(config, workdir)
    test = sources.open_split(settings.DataSettings.from_config(config.data), "test")
    evaluate.check_fields(test, recipe.inputs, config)
    predicted = evaluate.predict_split(
        evaluate.make_predict(recipe.predict_fn or state.apply_fn, recipe.inputs),
        parallel.replicate(state.ema_params),
        test,
        batch_size=config.global_batch_size,
    )
    if not parallel.is_main_process():
        return {}
    skel = skeleton.by_name(config.data.skeleton)
    truth = evaluate.read_ground_truth(test)
    results = evaluate.compute_metrics(predicted, truth, skel)
    from unipose_jax.report import tables
    from unipose_jax.report.pages import run_page

    protocol = run_page.protocol(config, results, test.protocol)
    studied = {}
    if config.recipe == "pose_machine":
        studied = lifting_study.run_study(recipe, config, state.ema_params, test)
    page = run_page.report_run(
        config,
        target,
        int(state.step),
        results,
        test,
        predicted,
        protocol=protocol,
        log=workdir / "log.jsonl",
        modality=modality,
        others=others,
        studied=studied,
        conditions=evaluate.metrics_by_condition(predicted, truth, skel),
    )
    if target == workdir:
        metric_writer.write_images(workdir, int(state.step), page.parent / "figures")
    print("\n".join(filter(None, [protocol, run_page.summary_text(results)])))
    for table in run_page.study_tables(studied).values():
        print(tables.to_text(table))
    if not results["all"]["num_frames"]:
        print(
            "the test split has no 3D truth (joints.npz), so there is only to look at"
        )
    print(f"report: {page}")
    return results


def _evaluate_ranking(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> int:
    """Scores a network that ranks keypoints by depth, and writes its report."""
    recipe, state = restore.restore_best(config, workdir)
    target = _evaluation_folder(config, workdir)
    test = sources.open_split(settings.DataSettings.from_config(config.data), "test")
    studied = ranking_study.run_study(recipe, config, state.ema_params, test)
    if not parallel.is_main_process():
        return 0
    from unipose_jax.report import tables
    from unipose_jax.report.pages import ranking_page

    page = ranking_page.write_run(
        target,
        studied,
        step=int(state.step),
        protocol=test.protocol,
        config=checkpoint.config_to_json(config),
    )
    print(
        f"{test.protocol}\n{tables.to_text(ranking_page.table_of(studied['scores']))}"
    )
    print(f"report: {page}")
    return 0


def _evaluation_folder(
    config: ml_collections.ConfigDict, workdir: pathlib.Path
) -> pathlib.Path:
    """Of the run, or below it where it is scored in another way than it was."""
    meta, sections = checkpoint.latest_meta(workdir), ("data", "correction", "study")
    prefixes = tuple(f"{section}." for section in sections)
    if meta is None or not checkpoint.config_difference(
        meta, config, prefixes, include_evaluation_keys=True
    ):
        return workdir
    described = checkpoint.config_to_json(config)
    scored = [described.get(section) for section in sections]
    digest = hashlib.sha256(json.dumps(scored, sort_keys=True).encode()).hexdigest()
    return workdir / "evaluations" / digest[:8]


def score(predicted: pathlib.Path, truth: pathlib.Path) -> int:
    """Prints the metrics of one pose file against another, as one JSON object.

    Measured where both have a joint; `missing` is the share of true joints that the
    prediction lacks.

    Raises:
        errors.BadInput: a file cannot be used, or they do not belong together.
    """
    poses, target = pose_file.read(predicted), pose_file.read(truth)
    if poses.skeleton != target.skeleton:
        raise errors.BadInput(
            f"{predicted} has skeleton {poses.skeleton}, {truth} has {target.skeleton}"
        )
    if len(poses) != len(target):
        raise errors.BadInput(
            f"{predicted} has {len(poses)} frames, {truth} has {len(target)}"
        )
    if poses.frame is not None and target.frame is not None:
        if (apart := poses.frame != target.frame).any():
            first = int(apart.argmax())
            raise errors.BadInput(
                f"pose {first} is of frame {poses.frame[first]} in {predicted}, of "
                f"frame {target.frame[first]} in {truth}"
            )
    known = target.is_valid()
    valid = known & poses.is_valid()
    if not valid.any():
        raise errors.BadInput(f"{predicted} and {truth} have no joint in common")
    results = metrics.summary(
        jnp.asarray(poses.xyz),
        jnp.asarray(target.xyz),
        valid=jnp.asarray(valid),
        skeleton=skeleton.by_name(target.skeleton),
        # Stamps since 1970 would not survive float32.
        time=jnp.asarray(target.time - target.time[0], jnp.float32),
    )
    results |= {"missing": 1.0 - float(valid.sum() / known.sum())}
    print(json.dumps(tables.plain(results), indent=1))
    return 0


def _optional_path(options, name: str) -> pathlib.Path | None:
    value = getattr(options, name)
    if not value:
        return None
    _check_local(f"--{name}", str(value))
    return pathlib.Path(value).expanduser()


def _check_config_paths(config: ml_collections.ConfigDict) -> None:
    """Refuses a config that names a remote file or folder."""
    for key, value in _strings(config.to_dict(), "config"):
        _check_local(key, value)


def _strings(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _strings(value, f"{prefix}.{name}")
        elif isinstance(value, str):
            yield f"{prefix}.{name}", value


def _check_local(name: str, value: str) -> None:
    """Refuses a URL: pathlib would take it for a folder `gs:` of this machine."""
    if "://" in value:
        raise errors.BadInput(
            f"{name}={value}: only local paths are supported; mount the bucket as a "
            "folder, for example with gcsfuse, and give the folder"
        )


def _required_path(options, name: str) -> pathlib.Path:
    path = _optional_path(options, name)
    if path is None:
        raise errors.BadInput(f"--{name} is missing; see --help")
    return path
