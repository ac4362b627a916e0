"""The modes of `run.py`; one file each."""

import importlib
import logging
import pathlib
from collections.abc import Callable
from typing import Any

from unipose_jax import errors
from unipose_jax.cli import modes, paths


def run(mode: str, config: Any, options) -> int:
    """Runs one mode; returns the exit status.

    Args:
        mode: a key of `MODES`.
        config: of the run (`ml_collections`), or None.
        options: the flags of `run.py`, as attributes.

    Raises:
        errors.BadInput: with one line for the user.
    """
    silence_library_logs()
    enable_compilation_cache(options.compile_cache)
    if config is not None:
        if options.data_dir:
            config.data.data_dir = options.data_dir
        paths.check_config(config.to_dict())
    elif "config" in modes.TABLE[mode].needs:
        raise errors.BadInput(f"--mode={mode} needs --config=configs/<name>.py")
    for name, meaning in modes.TABLE[mode].needs.items():
        if name != "config" and not getattr(options, name):
            raise errors.BadInput(
                f"--{name} is missing: {meaning}; see --mode={mode} --help"
            )
    return MODES[mode](config, options)


def silence_library_logs() -> None:
    """Hides the INFO lines of libraries, which absl would print."""
    for name in ("absl", "jax", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)


def enable_compilation_cache(folder: str) -> None:
    """Stores compiled programs between runs; "" stores none."""
    if folder:
        import jax

        remote = "://" in folder  # JAX itself reads and writes gs:// and the like
        path = folder if remote else str(pathlib.Path(folder).expanduser())
        jax.config.update("jax_compilation_cache_dir", path)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def _mode(name: str) -> Any:
    """The module of a mode, imported when used: some need OpenCV."""
    return importlib.import_module(f"unipose_jax.cli.{name}")


def _views(options) -> Any:
    """What is made of poses to look at."""
    from unipose_jax.cli import views  # some modes need no OpenCV

    return views.Views(
        page=options.pictures, video=options.video, viewer=options.viewer
    )


def _start(options) -> pathlib.Path:
    """The workdir; connects the processes of a run on several hosts."""
    from unipose_jax.train import parallel

    workdir = paths.required(options, "workdir")
    parallel.initialize(options.coordinator, options.num_processes, options.process_id)
    return workdir


def _engine(options) -> Any:
    """Where independent work runs."""
    return _mode("engine").from_flags(options.scheduler, options.workers)


def _engine_of(source: pathlib.Path, options) -> Any:
    """Where the work on a folder of recordings runs; None for a single recording."""
    return _mode("engine").for_recordings(source, options.scheduler, options.workers)


def _train(config, options) -> int:
    where = options.checkpoint_dir
    return _mode("train").train(config, _start(options), checkpoint_dir=where)


def _evaluate(config, options) -> int:
    workdir = _start(options)
    return _mode("evaluate").evaluate_run(config, workdir, data_dir=options.data_dir)


def _report(config, options) -> int:
    workdirs = paths.several(options, "workdir")
    if len(workdirs) == 1:
        return _mode("evaluate").evaluate_run(config, workdirs[0])
    mode = _mode("report")
    return mode.compare(
        workdirs, paths.optional(options, "output") or mode.page_of(workdirs)
    )


def _prepare(config, options) -> int:
    source = paths.optional(options, "source")
    return _mode("prepare").prepare_run(config, source, engine=_engine(options))


def _sample(config, options) -> int:
    output = paths.required(options, "output")
    return _mode("sample").make_sample(output, seed=options.seed)


def _predict(config, options) -> int:
    source = paths.required(options, "input")
    given = {
        "modality": options.modality,
        "wanted": _views(options),
        "people": options.people,
        "keypoints": options.keypoints is not False,
        "convention": options.convention,
    }
    where = (
        paths.optional(options, "workdir"),
        source,
        paths.required(options, "output"),
    )
    if engine := _engine_of(source, options):
        return _mode("recording_folders").predict_all(
            config, *where, engine=engine, **given
        )
    return _mode("predict").predict(config, *where, **given)


def _live(config, options) -> int:
    return _mode("live").live(
        config,
        paths.optional(options, "workdir"),
        options.camera,
        up=options.up,
        poses=options.poses,
        keypoints=bool(options.keypoints),
        model=paths.optional(options, "model"),
        view=options.view,
        record=paths.optional(options, "record"),
        output=paths.optional(options, "output"),
        stream=options.stream,
        realtime=options.realtime,
    )


def _refine(config, options) -> int:
    source = paths.required(options, "input")
    recording_path = paths.optional(options, "recording")
    return _mode("refine").refine_file(
        source,
        paths.required(options, "output"),
        recording_path=recording_path,
        wanted=_views(options),
        skeleton_name=options.skeleton,
        fps=options.fps,
        convention=options.convention,
        prior=options.prior,
    )


def _score(config, options) -> int:
    predicted = paths.required(options, "input")
    truth = paths.required(options, "truth")
    return _mode("score").score(
        predicted,
        truth,
        skeleton_name=options.skeleton,
        fps=options.fps,
        json_alone=options.json,
    )


def _convert(config, options) -> int:
    source = paths.required(options, "input")
    output = paths.required(options, "output")
    if (poses := _mode("convert_poses")).is_pose_file(source, output):
        return poses.convert_poses(
            source,
            output,
            skeleton_name=options.skeleton,
            fps=options.fps,
            target=options.to_skeleton,
        )
    return _mode("convert").convert_recording(
        source,
        output,
        fps=options.fps,
        depth_unit=options.depth_unit,
        mirrored=options.mirrored,
    )


def _export(config, options) -> int:
    return _mode("export").export_file(
        config,
        paths.optional(options, "workdir"),
        paths.required(options, "output"),
        file_format=options.format,
        weights=options.weights,
        modality=options.modality,
    )


def _keypoints(config, options) -> int:
    given = (
        paths.required(options, "input"),
        paths.optional(options, "model"),
        options.skeleton or "COCO17",
    )
    if engine := _engine_of(given[0], options):
        return _mode("recording_folders").detect_all(*given, engine=engine)
    return _mode("keypoints").show_keypoints(*given)


def _lookup(config, options) -> int:
    source = paths.required(options, "input")
    return _mode("lookup").look_up(
        source,
        paths.required(options, "output"),
        skeleton=options.skeleton or "ITOP15",
        fill=options.fill,
        wanted=_views(options),
        convention=options.convention,
    )


MODES: dict[str, Callable[[Any, Any], int]] = {
    "train": _train,
    "evaluate": _evaluate,
    "sample": _sample,
    "predict": _predict,
    "live": _live,
    "refine": _refine,
    "score": _score,
    "report": _report,
    "prepare": _prepare,
    "convert": _convert,
    "export": _export,
    "keypoints": _keypoints,
    "lookup": _lookup,
}
