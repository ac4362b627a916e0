"""Facts about whole runs of the pose machine, on a tiny data set in memory."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import pose_machine
from tests import config_data, stages
from tests.data_pipelines.originals import videopose
from unipose_jax import errors
from unipose_jax.cli import evaluate as cli_evaluate
from unipose_jax.cli import train as cli_train
from unipose_jax.train import loop
from unipose_jax.train import state as train_state
from unipose_jax.train.checkpoints import restore
from unipose_jax.train.evaluation import lifting_study


def write(folder, frames):
    def add_throws(solid, flat):
        solid["Train/S2"]["ThrowCatch 1"] = solid["Train/S2"]["Walking 1 chunk0"].copy()
        flat["Train/S2"]["ThrowCatch 1"] = flat["Train/S2"]["Walking 1 chunk0"]

    videopose.write_humaneva(folder, frames=frames, alter=add_throws)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("humaneva")
    write(folder, 9)
    return folder


def smoke(folder):
    config = pose_machine.get_config("smoke")
    config.data.path = str(folder)
    return config


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """The folder of a finished run; not to be trained in."""
    workdir = tmp_path_factory.mktemp("run")
    values = stages.values(smoke(folder), "points", workdir)
    assert loop.train(stages.stage(values, workdir))
    return workdir


def test_run_trains_evaluates_and_reports(folder, trained):
    config = smoke(folder)
    config.correction.steps = 3  # more than the study asks for
    assert cli_evaluate.evaluate_run(config, trained) == 0
    (target,) = (trained / "evaluations").iterdir()  # it was trained for fewer
    record = json.loads((target / "metrics.json").read_text())
    assert {"S1 Walking, corrected", "mean, coarse"} <= set(record["study"]["actions"])
    assert "projector, 2 px, 2 steps" in record["study"]["noise"]
    mean = record["study"]["actions"]["mean, corrected"]
    assert 0 < mean["pa_mpjpe_mm"] < mean["root_mpjpe_mm"]
    page = (target / "report" / "index.html").read_text()
    assert "By noise of the keypoints" in page


def test_clips_without_actions_are_studied_together(folder, trained):
    class Plain:
        def __init__(self, source):
            self.examples = [source[index] for index in range(len(source))]

        def __len__(self):
            return len(self.examples)

        def __getitem__(self, index):
            return self.examples[index]

    config = stages.values(smoke(folder), "points", trained)
    stage = stages.stage(config, trained)
    state = restore.restore_best(stage)
    source = Plain(config_data.open_split(config, "test"))
    found = lifting_study.run_study(stage, state.ema_params, source)
    assert set(found["actions"]) >= {"all, corrected", "mean, corrected"}


@pytest.mark.parametrize("steps", [(), (1,)])
def test_a_study_may_try_no_steps(folder, trained, steps):
    config = stages.values(smoke(folder), "points", trained)
    config.study.steps, config.study.noise = steps, (0.0,)
    config.study.kinds = (config.correction.kind,)
    stage = stages.stage(config, trained)
    state = restore.restore_best(stage)
    source = config_data.open_split(config, "test")
    found = lifting_study.run_study(stage, state.ema_params, source)
    assert "mean, corrected" in found["actions"]
    assert len(found["noise"]) == len(steps)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study.kinds": ("ray",)}, "study.kinds has 'ray'; choose from rays"),
        ({"model.features": "both", "data.crop_size": 12}, "crop_size is 12; small"),
        ({"model.features": "both", "model.backbone": "vgg"}, "backbone is 'vgg'"),
    ],
)
def test_settings_that_there_are_not_are_said(folder, trained, changes, message):
    config = smoke(folder)
    config.update_from_flattened_dict(changes)
    with pytest.raises(errors.BadInput, match=message):
        stages.recipe(config)


def test_the_same_command_scores_a_finished_run_on_other_files(
    folder, trained, tmp_path, monkeypatch
):
    write(tmp_path, 7)
    before = (trained / "log.jsonl").read_text()
    scored = []
    monkeypatch.setattr(
        cli_train.evaluate,
        "evaluate_plan",
        lambda plan: scored.append(plan.stages[0].data.path) or 0,
    )
    assert cli_train.train(smoke(tmp_path), trained) == 0
    assert scored == [str(tmp_path)]
    assert (trained / "log.jsonl").read_text() == before


def gradients(batch, config, names):
    """Gradient of each term by the network's parameters."""
    recipe = stages.recipe(config)
    state = train_state.create(
        recipe.network,
        optax.sgd(1.0),
        restore.dummy_inputs(config_data.typed(config.data), recipe.inputs),
        jax.random.key(0),
    )
    keys = jax.random.split(jax.random.key(1), len(batch["uv"]))
    fed = {name: jnp.asarray(batch[name]) for name in recipe.fields}

    def totals(params):
        terms = recipe.train_terms(state.apply_fn, params, fed, keys)
        return jnp.stack([terms[name].total for name in names])

    rows = jax.jit(jax.jacrev(totals))(state.params)
    flat = [
        np.abs(leaf).reshape(len(names), -1).max(1) for leaf in jax.tree.leaves(rows)
    ]
    return dict(zip(names, np.max(flat, axis=0), strict=True))


def test_a_clip_without_3d_labels_teaches_through_2d_terms_only(folder):
    config = smoke(folder)
    config.data.labeled_subjects = "S1,S3"
    source = config_data.open_split(config, "train")
    rng = np.random.default_rng(0)
    examples = [source.example(i, rng) for i in range(len(source))]
    without = [e for e in examples if not e["xyz_valid"].any()][:4]
    batch = {name: np.stack([e[name] for e in without]) for name in without[0]}
    names = sorted(name for name, weight in config.loss_weights.items() if weight)
    found = gradients(batch, config, names)
    assert {name for name in names if found[name] > 0} == {"point_to_ray", "projection"}
    assert all(np.isfinite(value) for value in found.values())
