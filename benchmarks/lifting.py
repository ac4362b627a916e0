"""How networks that lift 2D keypoints to 3D bear the errors of the 2D detector.

    python -m benchmarks.lifting --workdir=runs/lifting --seeds=0,1,2

Trains, on rendered people, the stage-2 networks with and without 2D keypoints as an
input, and a lifting network without pictures (`configs/pose_machine.py`) on single
frames and on clips; scores each on the rendered test split, with keypoints of a
simulated detector at several levels of error, relative to the root. The table goes to
`<workdir>/table.md` and to the terminal. Finished runs are not repeated.

Crop networks take one frame of each clip; their training adds errors to the keypoints
(`config.student.keypoint_augment`). The lifting network trains on fresh detections of
the same people, moved at random, with the same errors added; it learns from true
joints, the crop networks from `--teacher`. `--set` overrides settings of the crop
networks' config, `--rows` selects networks.
"""

import dataclasses
import functools
import json
import pathlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import app, flags

from benchmarks import lifting_data, study
from configs import pose_machine as pose_machine_config
from data_pipelines.ground import settings as data_settings
from data_pipelines.rendered import cache, clip_pool
from unipose_jax import atomic, errors, skeleton
from unipose_jax.cli import commands
from unipose_jax.geometry import camera
from unipose_jax.report import tables
from unipose_jax.report.pages import run_page
from unipose_jax.synthesis.sensing import detector
from unipose_jax.train import optimizer, plan, settings
from unipose_jax.train import teacher as teachers
from unipose_jax.train.augment import keypoint_augment
from unipose_jax.train.evaluation import lifting_study
from unipose_jax.train.recipes import pose_machine


class Row(NamedTuple):
    """A network: its heading, its kind, and settings that differ from the config's."""

    heading: str
    kind: str  # of the student, or "lifting"
    changes: Mapping[str, Any]


ROWS = {
    "colour_keypoints": Row("colour crop and keypoints", "rgb", {"keypoints": True}),
    "colour": Row("colour crop", "rgb", {}),
    "depth_keypoints": Row("depth crop and keypoints", "depth", {"keypoints": True}),
    "depth": Row("depth crop", "depth", {}),
    "lifting_frames": Row("pose machine, single frames", "lifting", {"frames": 1}),
    "lifting_clips": Row("pose machine, clips", "lifting", {"frames": 9}),
}
"""Networks that are compared, by key."""

LEVELS: dict[str, Mapping[str, float] | None] = {
    "0 px": {"noise": 0.0},
    "3 px": {},
    "8 px": {"noise": 8.0},
    "swaps x4": {"swap_share": 0.12},
    "outliers x4": {"outlier_share": 0.16},
    "misses x4": {"miss_share": 0.08},
    "as MoveNet": None,
}
"""Changes of `detector.IDEAL`; None is the detector of the config, as in training."""

# Other commands have flags of the same names; tests import several in one process.
_FLAGS = flags.FLAGS if __name__ == "__main__" else flags.FlagValues()
_ROWS = flags.DEFINE_list(
    "rows", list(ROWS), "Networks to train, by key.", flag_values=_FLAGS
)
_SEEDS = flags.DEFINE_list(
    "seeds", ["0", "1", "2"], "Seeds of each network.", flag_values=_FLAGS
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the study.", flag_values=_FLAGS
)
_TEACHER = flags.DEFINE_enum(
    "teacher",
    "network",
    ["network", "truth"],
    "Labels of the crop networks.",
    flag_values=_FLAGS,
)
_STEPS = flags.DEFINE_integer(
    "steps", 1_500, "Steps of the crop networks.", flag_values=_FLAGS
)
_LIFT_STEPS = flags.DEFINE_integer(
    "lift_steps", 4_000, "Steps of pose machines.", flag_values=_FLAGS
)
_CLIPS = flags.DEFINE_integer("clips", 4_000, "Training clips.", flag_values=_FLAGS)
_BATCH = flags.DEFINE_integer("batch", 32, "Frames of a step.", flag_values=_FLAGS)
_SET = flags.DEFINE_multi_string(
    "set", [], "Override: config.key=value.", flag_values=_FLAGS
)
_TEST_BATCH = 50
_PERSON = 2.0  # metres, the length that errors of the lifting network are relative to

Clips = dict[str, np.ndarray]


def main(argv: list[str]) -> None:
    """Runs the study."""
    del argv
    commands.silence_library_logs()
    commands.enable_compilation_cache("~/.cache/unipose_jax/compiled")
    workdir = pathlib.Path(_WORKDIR.value).expanduser().absolute()
    if unknown := set(_ROWS.value) - set(ROWS):
        raise errors.BadInput(f"no row {min(unknown)!r}; choose from {', '.join(ROWS)}")
    records: dict[str, dict[str, list[float]]] = {}
    for seed in _SEEDS.value:
        for row in _ROWS.value:
            scores = result(row, int(seed), workdir)
            for level, value in scores["root_mpjpe_mm"].items():
                records.setdefault(row, {}).setdefault(level, []).append(value)
            text = to_markdown(records)
            atomic.write_text(workdir / "table.md", text)
    print(text)


def result(row: str, seed: int, workdir: pathlib.Path) -> dict[str, Any]:
    """Scores of a network; it is trained if it has none."""
    made = {"steps": _STEPS.value, "lift_steps": _LIFT_STEPS.value}
    made |= {"clips": _CLIPS.value, "batch": _BATCH.value, "set": list(_SET.value)}
    made |= {"teacher": _TEACHER.value}
    folder = workdir / f"{row}-{seed}"
    record = folder / "scores.json"
    if record.exists():
        found = json.loads(record.read_text())
        if found["settings"] != made:
            raise errors.BadInput(f"{folder} has other settings; use another --workdir")
        return found
    start = time.perf_counter()
    network = ROWS[row]
    score = lifting_scores if network.kind == "lifting" else crop_scores
    scores = score(network, seed) | run_page.provenance()
    scores |= {"settings": made, "seconds": time.perf_counter() - start}
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(record, json.dumps(tables.plain(scores), indent=1))
    print(row, seed, json.dumps(tables.plain(scores)), flush=True)
    return scores


def to_markdown(records: Mapping[str, Mapping[str, list[float]]]) -> str:
    """The table, and what it is about."""
    return f"""{table_of(records)}
Root-relative MPJPE [mm] on rendered test people with a simulated detector; in brackets
the difference to 0 px. Labels of crop networks: {_TEACHER.value}. {_STEPS.value} and
{_LIFT_STEPS.value} steps of {_BATCH.value} frames or clips, {_CLIPS.value} training
clips. Overrides: {" ".join(_SET.value) or "none"}.
"""


def table_of(records: Mapping[str, Mapping[str, list[float]]]) -> str:
    """Millimetres by network and level, and what is lost against no noise."""
    lines = ["| network | " + " | ".join(LEVELS) + " |"]
    lines.append("| --- |" + " --- |" * len(LEVELS))
    for row, levels in records.items():
        cells = []
        for level in LEVELS:
            values = np.array(levels[level])
            lost = np.mean(values - np.array(levels["0 px"]))
            spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
            cells.append(f"{values.mean():.1f}{spread} ({lost:+.1f})")
        lines.append(f"| {ROWS[row].heading} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def crop_scores(row: Row, seed: int) -> dict[str, Any]:
    """Trains a stage-2 network and scores it."""
    stage = crop_stage(row.kind, row.changes, seed)
    clips = dict(clip_pool.open_pool(stage.data, "train").clips)
    clips["points"] = clips["points"][:, :, : stage.data.num_points]
    clips["points_valid"] = clips["points_valid"][:, :, : stage.data.num_points]
    if stage.needs_teacher:
        clips |= teacher_labels(stage)
    params = train(stage.recipe, clips, stage.optimizer, _STEPS.value, seed)
    test = clip_pool.open_pool(stage.data, "test").clips
    return score_levels(stage.recipe, params, test, stage.data, stage.skeleton)


def crop_stage(kind: str, changes: Mapping[str, Any], seed: int):
    """The stage of a network on crops."""
    path = str(study.CONFIGS / "unipose.py")
    config = study.load(path, [f"config.seed={seed}", *_SET.value])
    config.stages = (kind,)
    config.data.frames, config.data.train_clips = 1, _CLIPS.value
    config.student.models[kind].update(changes)
    config.student.teacher.kind = _TEACHER.value
    if config.student.models[kind].depth_bins:
        config.student.loss_weights[kind].pseudo_bins = 0.02
    return plan.resolve_stage(config, pathlib.Path(_WORKDIR.value), kind)


def teacher_labels(stage) -> Clips:
    """The joints that the teacher sees in the training clips, kept in the cache."""
    data, origin = stage.data, teachers.find(stage)

    def label() -> Clips:
        source = clip_pool.open_pool(data, "train")
        labelled = teachers.load(stage).label_source(source)
        found = [labelled[i] for i in range(len(labelled))]
        return {name: np.stack([f[name] for f in found]) for name in teachers.FIELDS}

    weights = origin.folder.with_suffix(".npz").read_bytes() if origin.ships else b""
    key = [repr(data), str(origin), str(hash(weights))]
    return cache.load_or_make(data.cache_dir, f"labels-{_CLIPS.value}", key, label)


def train(
    recipe, clips: Clips, config: settings.OptimizerSettings, steps: int, seed: int
):
    """Parameters after training: their moving average.

    Args:
        recipe: terms and network.
        clips: fields of `recipe.fields`.
        config: of the optimiser.
        steps: to train for.
        seed: of the parameters, batches and augmentation.
    """
    weights_at = optimizer.make_weight_schedule(recipe.objective, steps)
    optimiser = optimizer.make_optimizer(config, steps)
    names = [name for name in recipe.fields if name in clips]
    first = {name: jnp.asarray(clips[name][:1]) for name in recipe.inputs}
    # Compiling an initialisation takes longer than running it.
    quick = {"xla_backend_optimization_level": 0}
    init = jax.jit(recipe.network.init, compiler_options=quick)
    params = init(jax.random.key(seed), **unpacked(first))

    @jax.jit
    def step(params, average, state, number, key, batch):
        keys = jax.random.split(jax.random.fold_in(key, number), _BATCH.value)

        def loss(params):
            apply = recipe.network.apply
            terms = recipe.train_terms(apply, params, unpacked(batch), keys)
            weights = weights_at(number)
            means = {name: term.mean() for name, term in terms.items()}
            return sum(weights[name] * means[name] for name in weights), means

        (total, means), slope = jax.value_and_grad(loss, has_aux=True)(params)
        changes, state = optimiser.update(slope, state, params)
        params = optax.apply_updates(params, changes)
        decay = jnp.minimum(config.ema_decay, (1.0 + number) / (10.0 + number))
        average = optax.incremental_update(params, average, 1.0 - decay)
        return params, average, state, means | {"total": total}

    state, average = optimiser.init(params), params
    rng, key = np.random.default_rng(seed), jax.random.key(seed)
    for number in range(steps):
        chosen = rng.integers(0, len(clips["uv"]), _BATCH.value)
        batch = {name: clips[name][chosen] for name in names}
        params, average, state, terms = step(params, average, state, number, key, batch)
        if number % 250 == 0 or number == steps - 1:
            shown = {name: round(float(value), 4) for name, value in terms.items()}
            print(number, shown, flush=True)
            if not np.isfinite(shown["total"]):
                raise SystemExit(f"the loss is not finite at step {number}")
    return average


def unpacked(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Depth crops in metres."""
    counts = batch.get("depth_crop")
    if counts is None or counts.dtype != jnp.uint16:
        return dict(batch)
    return {**batch, "depth_crop": counts.astype(jnp.float32) / 1000.0}


def score_levels(
    recipe, params, clips: Clips, data: data_settings.DataSettings, skel
) -> dict[str, Any]:
    """Errors relative to the root at every level of `LEVELS`, and without keypoints."""

    @jax.jit
    def predict(params, batch):
        return recipe.network.apply(params, **unpacked(batch)).xyz

    def errors_of(fields: Clips) -> dict[str, float]:
        parts = []
        for start in range(0, len(fields["uv"]), _TEST_BATCH):
            part = slice(start, start + _TEST_BATCH)
            batch = {name: fields[name][part] for name in recipe.inputs}
            parts.append(jax.device_get(predict(params, batch)))
        groups = ["all"] * len(fields["uv"])
        return lifting_study.errors_by_group(
            np.concatenate(parts), fields, groups, skel, absolute=True
        )["mean"]

    found: dict[str, dict[str, float]] = {}
    for level, changes in LEVELS.items():
        usual = clip_pool.scene_params(data, "test").detector
        ideal = dataclasses.replace(detector.IDEAL, **(changes or {}))
        params_ = usual if changes is None else ideal
        seen = lifting_data.detections(clips, params_, data, skel, seed=0)
        for name, value in errors_of(clips | seen).items():
            found.setdefault(name, {})[level] = value
    if "uv" in recipe.inputs:
        blind = {"confidence": np.zeros_like(clips["confidence"])}
        found["no_keypoints"] = errors_of(clips | blind)
    return found


def lifting_scores(row: Row, seed: int) -> dict[str, Any]:
    """Trains a pose machine on keypoints alone and scores it."""
    frames = row.changes["frames"]
    config = pose_machine_config.get_config()
    data = crop_stage("rgb", {}, seed).data
    data = dataclasses.replace(data, frames=frames, crop_size=0, crops=())
    skel = skeleton.by_name(data.skeleton)
    recipe = pose_machine.build(config.to_dict(), data)
    augment = settings.parse(
        settings.KeypointAugmentation, config.augment.to_dict(), "augment"
    )
    recipe = dataclasses.replace(
        recipe,
        train_terms=functools.partial(
            lifting_terms, recipe, augment, crop_stage("rgb", {}, seed), data
        ),
        fields=(*recipe.fields, "visible"),
    )
    clips = lifting_data.joint_clips(data, "train", _CLIPS.value)
    rate = settings.OptimizerSettings(**config.optimizer)
    params = train(recipe, clips, rate, _LIFT_STEPS.value, seed)
    test = lifting_data.joint_clips(data, "test", data.test_clips)
    return score_levels(recipe, params, test, data, skel)


def lifting_terms(recipe, augment, stage, data, apply_fn, params, batch, keys):
    """Terms on fresh detections of moved people, with the errors of crop networks."""
    skel = stage.skeleton
    added = settings.parse(
        settings.KeypointErrors,
        stage.config["keypoint_augment"],
        "student.keypoint_augment",
    )
    # Without keypoints there is nothing to lift.
    added = dataclasses.replace(added, person_dropout=0.0)
    augment = dataclasses.replace(augment, keypoint_noise_prob=0.0)
    rendered = clip_pool.scene_params(data, "train")

    def one(key, clip):
        view, find, add = jax.random.split(key, 3)
        visible = clip.pop("visible")
        exact = camera.uv_from_xyz(clip["xyz"], clip["intrinsics"][None])
        # `confidence` carries visibility through the change of view, which may mirror.
        clip = clip | {"uv": exact, "confidence": visible.astype(jnp.float32)}
        moved = keypoint_augment.augment_clip(view, clip, config=augment, skeleton=skel)
        uv, confidence = lifting_data.detect(
            find,
            moved["xyz"],
            moved["confidence"] > 0.0,
            clip["intrinsics"],
            rendered=rendered,
            skel=skel,
            params=rendered.detector,
        )
        middle = moved["xyz"][..., 2].mean(axis=-1)
        size = _PERSON * clip["intrinsics"][0] / jnp.maximum(middle, 0.5)
        uv, confidence = keypoint_augment.add_errors(
            add, uv, confidence, size=size, config=added, skeleton=skel
        )
        return moved | {"uv": uv, "confidence": confidence}

    batch = jax.vmap(one)(
        keys, {name: batch[name] for name in recipe.fields + ("visible",)}
    )
    estimate = apply_fn(params, **{name: batch[name] for name in recipe.inputs})
    return recipe.validation_terms(estimate, batch)


if __name__ == "__main__":
    with errors.exit_on_bad_input():
        app.run(main)
