"""Where correction at test time pays, and what other people, cameras and heads cost.

    python -m benchmarks.pose_machine --data=humaneva15_dev.npz --workdir=runs/machine

Trains short pose machines (`configs/pose_machine.py`) on HumanEva-I and scores each on
the test split with 0, 2 and 10 steps of correction: with complete and noisy 2D
keypoints, with missing keypoints, on S1 when trained on the others, on camera 2 when
trained on the other two, and with and without heads when trained without. The table
goes to `<workdir>/table.md` and to the terminal. Finished rows are not repeated.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import app, flags

from benchmarks import study
from data_pipelines.ground import settings as data_settings
from data_pipelines.loading import pose_clips, sources
from unipose_jax import atomic, errors, skeleton
from unipose_jax.cli import commands
from unipose_jax.report import tables
from unipose_jax.report.pages import run_page
from unipose_jax.train import optimizer, settings
from unipose_jax.train.augment import keypoint_augment, missing_keypoints
from unipose_jax.train.evaluation import lifting_study
from unipose_jax.train.recipes import pose_machine, self_correction
from unipose_jax.train.recipes.recipe import Recipe

# Other commands have flags of the same names; tests import several in one process.
_FLAGS = flags.FLAGS if __name__ == "__main__" else flags.FlagValues()
_DATA = flags.DEFINE_string(
    "data", None, "File or folder of HumanEva-I.", flag_values=_FLAGS
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the study.", flag_values=_FLAGS
)
_SEEDS = flags.DEFINE_list(
    "seeds", ["0", "1", "2"], "Seeds of each network.", flag_values=_FLAGS
)
_STEPS = flags.DEFINE_integer("steps", 500, "Training steps.", flag_values=_FLAGS)
_BATCH = flags.DEFINE_integer("batch", 32, "Clips of a step.", flag_values=_FLAGS)
_NETWORKS = flags.DEFINE_list(
    "networks", None, "Networks to train; default: all.", flag_values=_FLAGS
)
_SET = flags.DEFINE_multi_string(
    "set", [], "Override: config.key=value.", flag_values=_FLAGS
)

_CORRECTIONS = (0, 2, 10)  # steps
_TEST_BATCH = 32
_SKELETON = skeleton.HUMANEVA15
_HEAD = _SKELETON.index("head")
_LOSSES = {"missing_prob": 1.0, "missing_joints": 0.2, "missing_run": 0.5}

Clips = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Row:
    """One kind of test.

    Attributes:
        is_tested: whether a test track counts, by its name.
        noise: of the keypoints, pixels.
        missing: whether keypoints are dropped, as in training but in all clips.
        heads: whether heads have keypoints.
        scores_heads: whether heads count.
    """

    is_tested: Callable[[str], bool] = lambda name: True
    noise: float = 0.0
    missing: bool = False
    heads: bool = True
    scores_heads: bool = True


@dataclasses.dataclass(frozen=True)
class Network:
    """One training set, and the tests of its network.

    Attributes:
        rows: tests, by name.
        is_used: whether a training track is used, by its name.
        heads: whether heads have keypoints and labels in training.
    """

    rows: Mapping[str, Row]
    is_used: Callable[[str], bool] = lambda name: True
    heads: bool = True


NETWORKS = {
    "everybody": Network(
        {
            "complete": Row(),
            "2 px": Row(noise=2.0),
            "5 px": Row(noise=5.0),
            "missing joints": Row(missing=True),
        }
    ),
    "people": Network({"S1 unseen": Row()}, is_used=lambda name: "_S1_" not in name),
    "camera": Network(
        {"camera 2 unseen": Row(is_tested=lambda name: name.endswith("cam2"))},
        is_used=lambda name: not name.endswith("cam2"),
    ),
    "heads": Network(
        {
            "no heads in training or test": Row(heads=False, scores_heads=False),
            "no heads in training": Row(scores_heads=False),
        },
        heads=False,
    ),
}
"""Training sets, by name."""


def main(argv: list[str]) -> None:
    """Runs the study."""
    del argv
    commands.silence_library_logs()
    commands.enable_compilation_cache("~/.cache/unipose_jax/compiled")
    if not _DATA.value or not _WORKDIR.value:
        raise errors.BadInput("benchmarks.pose_machine needs --data and --workdir")
    workdir = pathlib.Path(_WORKDIR.value).expanduser().absolute()
    chosen = _NETWORKS.value or list(NETWORKS)
    if unknown := set(chosen) - set(NETWORKS):
        raise errors.BadInput(
            f"no network {min(unknown)!r}; choose from {', '.join(NETWORKS)}"
        )
    setup = Setup.load()
    records: dict[str, list[dict[str, Any]]] = {}
    for seed in _SEEDS.value:
        for name in chosen:
            for row, scores in result(name, int(seed), setup, workdir).items():
                records.setdefault(row, []).append(scores)
            atomic.write_text(workdir / "table.md", to_markdown(records))
    print(to_markdown(records))


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """What all networks share."""

    recipe: Recipe
    step: Callable
    optimiser: optax.GradientTransformation
    train: pose_clips.PoseClips
    test: pose_clips.PoseClips

    @classmethod
    def load(cls) -> "Setup":
        """Reads data and config, and compiles the training step on its first use."""
        path = str(study.CONFIGS / "pose_machine.py")
        config = study.load(path, [f"config.data.path={_DATA.value}", *_SET.value])
        data = data_settings.DataSettings.from_config(config.data)
        recipe = pose_machine.build(config.to_dict(), data)
        rate = settings.OptimizerSettings(**config.optimizer)
        optimiser = optimizer.make_optimizer(rate, _STEPS.value)
        step = make_step(recipe, optimiser, rate.ema_decay)
        splits = [sources.open_split(data, split) for split in ("train", "test")]
        return cls(recipe, step, optimiser, *splits)


def make_step(recipe: Recipe, optimiser, decay: float) -> Callable:
    """Builds a jitted training step, which also averages the parameters."""
    weights_at = optimizer.make_weight_schedule(recipe.objective, _STEPS.value)

    @jax.jit
    def step(params, average, state, number, key, batch):
        keys = jax.random.split(jax.random.fold_in(key, number), _BATCH.value)

        def loss(params):
            terms = recipe.train_terms(recipe.network.apply, params, batch, keys)
            weights = weights_at(number)
            return sum(weights[name] * terms[name].mean() for name in weights)

        total, slope = jax.value_and_grad(loss)(params)
        changes, state = optimiser.update(slope, state, params)
        params = optax.apply_updates(params, changes)
        kept = jnp.minimum(decay, (1.0 + number) / (10.0 + number))
        average = optax.incremental_update(params, average, 1.0 - kept)
        return params, average, state, total

    return step


def result(
    name: str, seed: int, setup: Setup, workdir: pathlib.Path
) -> dict[str, dict[str, Any]]:
    """Scores of a network's rows; it is trained if it has none."""
    made = {"steps": _STEPS.value, "batch": _BATCH.value, "set": list(_SET.value)}
    record = workdir / f"{name}-{seed}.json"
    if record.exists():
        found = json.loads(record.read_text())
        if found["settings"] != made:
            raise errors.BadInput(f"{record} has other settings; use another --workdir")
        return found["rows"]
    network = NETWORKS[name]
    params = train(network, seed, setup)
    rows = {
        title: score(row, params, seed, setup) for title, row in network.rows.items()
    }
    workdir.mkdir(parents=True, exist_ok=True)
    content = {"settings": made, "rows": rows} | run_page.provenance()
    atomic.write_text(record, json.dumps(tables.plain(content), indent=1))
    print(name, seed, json.dumps(tables.plain(rows)), flush=True)
    return rows


def train(network: Network, seed: int, setup: Setup):
    """Parameters after training: their moving average."""
    recipe, source = setup.recipe, setup.train
    chosen = [
        index
        for index, (track, _) in enumerate(source.clips)
        if network.is_used(source.tracks[track].name)
    ]
    rng, key = np.random.default_rng(seed), jax.random.key(seed)

    def draw() -> Clips:
        picked = [source.example(i, rng) for i in rng.choice(chosen, _BATCH.value)]
        return {name: np.stack([e[name] for e in picked]) for name in recipe.fields}

    first = draw()
    shapes = {name: jnp.asarray(first[name][:1]) for name in recipe.inputs}
    quick = {"xla_backend_optimization_level": 0}
    params = jax.jit(recipe.network.init, compiler_options=quick)(key, **shapes)
    average, state = params, setup.optimiser.init(params)
    for number in range(_STEPS.value):
        batch = draw()
        if not network.heads:
            batch = without_heads(batch) | {
                "xyz_valid": _masked(batch["xyz_valid"], False)
            }
        params, average, state, total = setup.step(
            params, average, state, number, key, batch
        )
        if number % 100 == 99:
            print(f"step {number + 1}: loss {float(total):.4f}", flush=True)
            if not np.isfinite(total):
                raise errors.BadInput(f"the loss is not finite at step {number + 1}")
    return average


def without_heads(clips: Clips) -> Clips:
    """Clips in which no head has a keypoint."""
    return clips | {"confidence": _masked(clips["confidence"], 0.0)}


def _masked(values: np.ndarray, fill: float) -> np.ndarray:
    values = values.copy()
    values[..., _HEAD] = fill
    return values


def score(row: Row, params, seed: int, setup: Setup) -> dict[str, Any]:
    """Errors, millimetres, by steps of correction, and in the camera's frame."""
    source, recipe = setup.test, setup.recipe
    names = [source.tracks[track].name for track, _ in source.clips]
    chosen = [i for i, name in enumerate(names) if row.is_tested(name)]
    truth = _stack([source[i] for i in chosen])
    seen = observed(row, truth, seed)
    if not row.scores_heads:
        truth = truth | {"xyz_valid": _masked(truth["xyz_valid"], False)}
    groups = [source.groups()[i] for i in chosen]
    correction = dataclasses.replace(
        recipe.settings.correction, kind="rays", steps=max(_CORRECTIONS)
    )
    apply = self_correction.make_correction_steps(recipe.network, correction, _SKELETON)
    predict = jax.jit(lambda params, inputs: apply(params, **inputs).xyz)
    parts = []
    for start in range(0, len(chosen), _TEST_BATCH):
        places = np.arange(start, start + _TEST_BATCH) % len(chosen)
        inputs = {name: seen[name][places] for name in recipe.inputs}
        parts.append(jax.device_get(predict(params, inputs)))
    xyz = np.concatenate(parts)[: len(chosen)]
    by_steps = {
        str(steps): lifting_study.errors_by_group(
            xyz[:, steps], truth, groups, _SKELETON, absolute=True
        )["mean"]
        for steps in _CORRECTIONS
    }
    return {
        "root_mpjpe_mm": {k: v["root_mpjpe_mm"] for k, v in by_steps.items()},
        "pa_mpjpe_mm": by_steps["0"]["pa_mpjpe_mm"],
        "mpjpe_mm": by_steps["0"]["mpjpe_mm"],
    }


def observed(row: Row, truth: Clips, seed: int) -> Clips:
    """Clips as a row's network sees them."""
    keys = jax.random.split(jax.random.key(1_000 + seed), 2)
    noisy = keypoint_augment.add_noise(keys[0], jnp.asarray(truth["uv"]), row.noise)
    clips = truth | {"uv": np.asarray(noisy)}
    if row.missing:
        config = settings.KeypointAugmentation(**_STILL | _LOSSES)

        def drop(key, confidence):
            return missing_keypoints.drop_keypoints(
                key, confidence, config=config, skeleton=_SKELETON
            )

        keys = jax.random.split(keys[1], len(noisy))
        left = jax.vmap(drop)(keys, jnp.asarray(truth["confidence"]))
        clips["confidence"] = np.asarray(left)
    return clips if row.heads else without_heads(clips)


_STILL: dict[str, Any] = dict.fromkeys(
    ("pan", "tilt", "roll", "person_rotation", "distance_scale", "keypoint_noise"), 0.0
)
_STILL |= {"mirror": False, "keypoint_noise_prob": 0.0}


def _stack(examples: list[Clips]) -> Clips:
    return {name: np.stack([e[name] for e in examples]) for name in examples[0]}


def to_markdown(records: Mapping[str, list[dict[str, Any]]]) -> str:
    """The table, and what it is about."""
    return f"""{table_of(records)}
MPJPE [mm] relative to the root, mean over actions; after steps of correction the change
against 0 steps. P-MPJPE and the error in the camera's frame without correction. Mean ±
standard deviation over {max(map(len, records.values()))} seeds. {_STEPS.value} training
steps of {_BATCH.value} clips. Overrides: {" ".join(_SET.value) or "none"}.
"""


def table_of(records: Mapping[str, list[dict[str, Any]]]) -> str:
    """Millimetres by row and steps of correction."""
    first, *more = [str(number) for number in _CORRECTIONS]
    titles = [f"{number} steps" for number in (first, *more)]
    lines = [f"| test | {' | '.join(titles)} | P-MPJPE | absolute |"]
    lines.append("| --- |" + " --- |" * (len(titles) + 2))
    for row, found in records.items():
        start = np.array([scores["root_mpjpe_mm"][first] for scores in found])
        cells = [_cell(start)]
        for number in more:
            after = np.array([scores["root_mpjpe_mm"][number] for scores in found])
            cells.append(_cell(after - start, sign="+"))
        for name in ("pa_mpjpe_mm", "mpjpe_mm"):
            cells.append(_cell(np.array([scores[name] for scores in found])))
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(values: np.ndarray, *, sign: str = "") -> str:
    digits = 2 if sign else 1
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():{sign}.{digits}f}{spread}"


if __name__ == "__main__":
    with errors.exit_on_bad_input():
        app.run(main)
