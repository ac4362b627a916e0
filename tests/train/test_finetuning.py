"""Facts about fine-tuning: what is taken over from another run, and which labels."""

import json
import signal

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util

from configs import wsp_finetune
from data_pipelines.loading import label_subset, loader
from data_pipelines.rendered import clip_pool
from tests import stages
from tests.test_run import run
from unipose_jax import errors, models, skeleton
from unipose_jax.train import loop, optimizer
from unipose_jax.train import settings as train_settings
from unipose_jax.train import state as train_state
from unipose_jax.train.checkpoints import checkpoint, folders, pretrained, restore
from unipose_jax.train.evaluation import evaluate

pytestmark = pytest.mark.usefixtures("shared_programs")
NETWORK = models.RankNet(num_joints=3, width=4)


def state_of(params, *, step=0, average=None):
    """A state with parameters, and others as their average."""
    state = train_state.TrainState.create(
        apply_fn=lambda: None,
        params=params,
        ema_params=params if average is None else average,
        tx=optax.identity(),
    )
    return state.replace(step=jnp.int32(step))


def save(workdir, *scored):
    """A run with a checkpoint of each (state, score)."""
    checkpoints = checkpoint.Checkpoints(workdir)
    for state, score in scored:
        meta = {"config": {}, "position": {}}
        checkpoints.save(jax.device_get(state), meta=meta, score=score)
    checkpoints.close()


@pytest.fixture(scope="module")
def ranking() -> dict:
    """Parameters of a network that ranks, as shapes are all that matters."""
    inputs = {
        "image": jnp.zeros((1, 32, 32, 3), jnp.uint8),
        "people_uv": jnp.zeros((1, 2, 3, 2)),
    }
    shapes = jax.eval_shape(NETWORK.init, jax.random.key(0), **inputs)
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)


@pytest.fixture(scope="module")
def posing() -> dict:
    """Those of a network that finds joints."""
    network = models.ColorAnchorNet(num_joints=3, head_width=4)
    inputs = {
        "color_crop": jnp.zeros((1, 1, 32, 32, 3), jnp.uint8),
        "color_crop_matrix": jnp.ones((1, 1, 3, 3)),
        "cam_from_points": jnp.ones((1, 4, 4)),
    }
    shapes = jax.eval_shape(network.init, jax.random.key(0), **inputs)
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)


def filled(tree, value):
    return jax.tree.map(lambda leaf: jnp.full(leaf.shape, value), tree)


def test_the_best_average_backbone_is_taken_over_and_nothing_else(
    ranking, posing, tmp_path
):
    best = state_of(filled(ranking, 1.0), step=1, average=filled(ranking, 2.0))
    last = state_of(filled(ranking, 3.0), step=2, average=filled(ranking, 4.0))
    save(tmp_path, (best, 0.5), (last, 0.9))
    fresh = state_of(filled(posing, 7.0))
    started = pretrained.load_backbone(fresh, tmp_path)
    chex.assert_trees_all_equal(started.params, started.ema_params)
    chex.assert_trees_all_equal_shapes(started.params, fresh.params)
    values = traverse_util.flatten_dict(started.params)
    assert sum("backbone" in names for names in values) == len(
        jax.tree.leaves(ranking["params"]["backbone"])
    )
    for names, value in values.items():
        expected = 2.0 if names[:3] == ("params", "core", "backbone") else 7.0
        np.testing.assert_array_equal(value, expected)
    assert started.step == fresh.step
    assert started.opt_state == fresh.opt_state


def test_each_array_of_the_backbone_keeps_its_name(ranking, posing, tmp_path):
    numbered = iter(range(1_000))
    marked = jax.tree.map(lambda leaf: leaf + next(numbered), ranking)
    save(tmp_path, (state_of(marked), None))
    started = pretrained.load_backbone(state_of(posing), tmp_path)
    chex.assert_trees_all_equal(
        started.params["params"]["core"]["backbone"], marked["params"]["backbone"]
    )


def test_a_student_below_the_workdir_is_found(posing, tmp_path):
    save(tmp_path / "rgb", (state_of(filled(posing, 5.0)), None))
    started = pretrained.load_backbone(state_of(posing), tmp_path)
    backbone = started.params["params"]["core"]["backbone"]
    assert {float(leaf.max()) for leaf in jax.tree.leaves(backbone)} == {5.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: {"head": jnp.zeros(2)}, "has 0 image networks; expected one"),
        (
            lambda tree: {"a": tree, "b": tree},
            "has 2 image networks; expected one",
        ),
        (
            lambda tree: jax.tree.map(lambda leaf: leaf[..., :1], tree),
            r"another backbone than config.model: .* is \(.*\) there and \(.*\) here$",
        ),
        (
            lambda tree: tree | {"backbone": tree["backbone"] | {"more": jnp.ones(2)}},
            r"another backbone than config.model: more is \(2,\) there and None here",
        ),
    ],
)
def test_a_run_that_cannot_be_started_from(ranking, posing, tmp_path, change, message):
    save(tmp_path, (state_of({"params": change(ranking["params"])}), None))
    with pytest.raises(errors.BadInput, match=message):
        pretrained.load_backbone(state_of(posing), tmp_path)


def test_a_workdir_that_is_not_there(posing, tmp_path):
    with pytest.raises(errors.BadInput, match="no checkpoint in .*nothing; train"):
        pretrained.load_backbone(state_of(posing), tmp_path / "nothing")


def make_optimizer(**settings):
    config = train_settings.OptimizerSettings(
        learning_rate=0.5,
        warmup_steps=0,
        weight_decay=0.1,
        clip_norm=100.0,
        **settings,
    )
    return optimizer.make_optimizer(config, 10)


def test_the_backbone_moves_by_its_share_of_the_rate():
    part = {"kernel": jnp.array([[1.0, 2.0], [0.5, -1.0]]), "bias": jnp.array([2.0])}
    params = {"core": {"backbone": {"Conv_0": part}, "head": {"Conv_0": part}}}
    grads = jax.tree.map(lambda value: 0.1 * value, params)
    moves = []
    for share in (1.0, 0.25, 0.0):
        transform = make_optimizer(backbone_lr_multiplier=share)
        updates, _ = transform.update(grads, transform.init(params), params)
        # Adam's first step with Nesterov's momentum, 1 + 0.9 (1 - 0.9) / (1 - 0.9^2).
        bias = updates["core"]["head"]["Conv_0"]["bias"]
        np.testing.assert_allclose(bias, [-0.5 * (1.0 + 0.09 / 0.19)], rtol=1e-4)
        moves.append(updates["core"])
        chex.assert_trees_all_close(
            moves[-1]["backbone"],
            jax.tree.map(lambda value, s=share: s * value, moves[-1]["head"]),
            rtol=1e-6,
        )
    chex.assert_trees_all_equal(moves[0]["head"], moves[1]["head"], moves[2]["head"])


def test_one_rate_for_all_leaves_the_optimiser_as_it_was():
    """So that runs from before there were two rates go on."""
    params = {"backbone": {"kernel": jnp.ones((2, 2))}}
    plain, equal = make_optimizer(), make_optimizer(backbone_lr_multiplier=1.0)
    chex.assert_trees_all_equal(plain.init(params), equal.init(params))


TRAINED = wsp_finetune.get_config("smoke").data.train_clips


def smoke(pools, init=""):
    config = wsp_finetune.get_config("smoke")
    config.data.cache_dir, config.init_backbone = pools, str(init)
    return config


def train(config, workdir) -> None:
    values = stages.values(config, "rgb", workdir)
    folder = folders.folder_of(workdir, "rgb")
    assert loop.train(stages.stage(values, folder, "rgb"))


@pytest.fixture(scope="module")
def before(ranking, tmp_path_factory):
    """A run to start from, with any backbone."""
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape), ranking)
    workdir = tmp_path_factory.mktemp("runs") / "before"
    save(workdir, (state_of(params), None))
    return workdir


@pytest.fixture(scope="module")
def paused(pools, before, shared_programs, tmp_path_factory):
    """A run that was stopped, and went on when what it had started from was gone."""
    workdir = tmp_path_factory.mktemp("paused")
    config = smoke(pools, before)

    class Stopping(loader.Loader):
        def __next__(self):
            if self.get_state()["step"] == 2:
                signal.raise_signal(signal.SIGTERM)
            return super().__next__()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "Loader", Stopping)
        values = stages.values(config, "rgb", workdir)
        assert not loop.train(stages.stage(values, workdir / "rgb", "rgb"))
    before.rename(before.with_name("away"))
    try:
        assert run("train", config, workdir=workdir) == 0
    finally:
        before.with_name("away").rename(before)
    return workdir


@pytest.mark.slow
def test_neither_a_pause_nor_labels_of_other_clips_change_a_run(
    pools, before, paused, tmp_path, monkeypatch, final_state
):
    config = smoke(pools, before)
    share = label_subset.LabeledSubset(
        range(TRAINED), config.data.labeled_fraction, seed=0
    )

    class PartlyBlindPool(clip_pool.ClipPool):
        def example(self, index, rng):
            example = super().example(index, rng)
            if len(self) == TRAINED and index not in share.indices:
                example["xyz"] = np.full_like(example["xyz"], np.nan)
            return example

    assert len(share) == TRAINED // 2
    monkeypatch.setattr(clip_pool, "ClipPool", PartlyBlindPool)
    train(config, tmp_path)
    stage = stages.values(config, "rgb", tmp_path)
    chex.assert_trees_all_equal(
        final_state(stage, tmp_path / "rgb").checkpoint_tree(),
        final_state(stage, paused / "rgb").checkpoint_tree(),
    )


@pytest.mark.slow
def test_a_tuned_run_is_reported(paused):
    record = json.loads((paused / "rgb" / "metrics.json").read_text())
    assert record["results"]["all"]["root_mpjpe_mm"] > 0
    assert (paused / "rgb" / "report" / "index.html").is_file()


@pytest.mark.slow
def test_a_run_is_scored_without_the_rates_that_trained_it(pools, paused):
    stage = stages.values(smoke(pools), "rgb", paused)
    as_trained = restore.restore_best(stages.stage(stage, paused / "rgb"))
    stage.optimizer.backbone_lr_multiplier = 0.5
    state = restore.restore_best(stages.stage(stage, paused / "rgb"))
    assert int(state.step) == int(as_trained.step) > 0
    chex.assert_trees_all_equal(state.ema_params, as_trained.ema_params)


@pytest.mark.slow
def test_a_run_has_one_start(pools, paused):
    with pytest.raises(
        errors.BadInput, match="init_backbone is '.*' there and '' in the conf"
    ):
        train(smoke(pools), paused)


def test_a_fresh_run_begins_with_the_backbone(pools, tmp_path, monkeypatch):
    class TakenError(Exception):
        pass

    def take(state, workdir):
        assert state.step == 0
        assert workdir == tmp_path / "before"
        raise TakenError

    monkeypatch.setattr(pretrained, "load_backbone", take)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TakenError):
        train(smoke(pools, "before"), tmp_path / "run")


def test_single_frames_have_no_acceleration():
    clips = {
        "xyz": np.random.default_rng(0).normal(size=(2, 1, 15, 3)).astype(np.float32),
        "xyz_valid": np.ones((2, 1, 15), bool),
        "visible": np.ones((2, 1, 15), bool),
        "time": np.zeros((2, 1), np.float32),
    }
    found = evaluate.compute_metrics(clips, clips, skeleton.ITOP15)["all"]
    assert np.isnan(found["accel_error"])
    assert found["mpjpe_mm"] == found["root_mpjpe_mm"] == 0.0
