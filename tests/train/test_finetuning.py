"""Facts about fine-tuning: what is taken over from another run, and which labels."""

import shutil

import chex
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest
from flax import traverse_util

from configs import wsp_finetune
from configs.ablations import wsp_keypoints
from data_pipelines import errors, labelled, synthetic
from tests.test_run import run
from unipose_jax import models
from unipose_jax.train import (
    checkpoint,
    loop,
    optimizer,
    pretrained,
    restore,
    stages,
)
from unipose_jax.train import state as train_state

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


def init_of(workdir) -> ml_collections.ConfigDict:
    return ml_collections.ConfigDict({"init": str(workdir)})


@pytest.fixture(scope="module")
def ranking() -> dict:
    """Parameters of a network that ranks, as shapes are all that matters."""
    inputs = {
        "picture": jnp.zeros((1, 32, 32, 3), jnp.uint8),
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
    started = pretrained.with_backbone(fresh, init_of(tmp_path))
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
    started = pretrained.with_backbone(state_of(posing), init_of(tmp_path))
    chex.assert_trees_all_equal(
        started.params["params"]["core"]["backbone"], marked["params"]["backbone"]
    )


def test_a_student_below_the_workdir_is_found(posing, tmp_path):
    save(tmp_path / "rgb", (state_of(filled(posing, 5.0)), None))
    started = pretrained.with_backbone(state_of(posing), init_of(tmp_path))
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
        pretrained.with_backbone(state_of(posing), init_of(tmp_path))


def test_a_workdir_that_is_not_there(posing, tmp_path):
    with pytest.raises(errors.BadInput, match="no checkpoint in .*nothing; train"):
        pretrained.with_backbone(state_of(posing), init_of(tmp_path / "nothing"))


def make_optimizer(**settings):
    config = ml_collections.ConfigDict(
        {
            "learning_rate": 0.5,
            "warmup_steps": 0,
            "weight_decay": 0.1,
            "clip_norm": 100.0,
        }
        | settings
    )
    return optimizer.make_optimizer(config, 10)


def test_the_backbone_moves_by_its_share_of_the_rate():
    part = {"kernel": jnp.array([[1.0, 2.0], [0.5, -1.0]]), "bias": jnp.array([2.0])}
    params = {"core": {"backbone": {"Conv_0": part}, "head": {"Conv_0": part}}}
    grads = jax.tree.map(lambda value: 0.1 * value, params)
    moves = []
    for share in (1.0, 0.25, 0.0):
        transform = make_optimizer(backbone_rate=share)
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
    plain, equal = make_optimizer(), make_optimizer(backbone_rate=1.0)
    chex.assert_trees_all_equal(plain.init(params), equal.init(params))


class PartlyBlindPool(synthetic.Pool):
    """Examples whose 3D labels are NaN but for those of the labelled clips."""

    seen: tuple[int, ...] = ()

    def example(self, index, rng):
        example = super().example(index, rng)
        if len(self) == TRAINED and index not in self.seen:
            example["xyz"] = np.full_like(example["xyz"], np.nan)
        return example


TRAINED = wsp_finetune.get_config("smoke").data.train_clips


def smoke(config_file, pools, **settings):
    config = config_file.get_config("smoke")
    config.data.cache_dir = str(pools)
    config.update(settings)
    return config


@pytest.fixture(scope="module")
def pools(tmp_path_factory):
    return tmp_path_factory.mktemp("pools")


def train(config, workdir) -> None:
    stage = stages.config_of(config, "rgb", workdir)
    assert loop.train(stage, stages.folder_of(workdir, "rgb"))


def final(config, workdir, final_state):
    stage = stages.config_of(config, "rgb", workdir)
    return final_state(stage, stages.folder_of(workdir, "rgb")).saved()


@pytest.fixture(scope="module")
def keypoint_run(pools, tmp_path_factory):
    """A run that learnt from keypoints; no clip of it had a 3D label."""
    workdir = tmp_path_factory.mktemp("keypoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "Pool", PartlyBlindPool)
        train(smoke(wsp_keypoints, pools), workdir)
    return workdir


@pytest.fixture(scope="module")
def tuned(pools, keypoint_run, tmp_path_factory):
    """The command line, from that run's backbone."""
    workdir = tmp_path_factory.mktemp("tuned")
    config = smoke(wsp_finetune, pools, init=str(keypoint_run))
    assert run("train", config, workdir=workdir) == 0
    return workdir


@pytest.mark.slow
def test_keypoints_need_no_3d_labels(pools, keypoint_run, tmp_path, final_state):
    config = smoke(wsp_keypoints, pools)
    train(config, tmp_path)
    chex.assert_trees_all_equal(
        final(config, tmp_path, final_state), final(config, keypoint_run, final_state)
    )


@pytest.mark.slow
def test_unlabelled_clips_need_no_3d_labels(
    pools, keypoint_run, tuned, tmp_path, monkeypatch, final_state
):
    config = smoke(wsp_finetune, pools, init=str(keypoint_run))
    share = labelled.Labelled(range(TRAINED), config.data.label_share, seed=0)
    assert len(share) == TRAINED // 2
    monkeypatch.setattr(PartlyBlindPool, "seen", tuple(share.indices))
    monkeypatch.setattr(synthetic, "Pool", PartlyBlindPool)
    train(config, tmp_path)
    chex.assert_trees_all_equal(
        final(config, tmp_path, final_state), final(config, tuned, final_state)
    )


@pytest.mark.slow
def test_a_run_that_goes_on_does_not_start_again(
    pools, keypoint_run, tuned, tmp_path, final_state
):
    """Its first checkpoint is enough, even if what it started from has gone."""
    config = smoke(wsp_finetune, pools, init=str(keypoint_run))
    shutil.copytree(tuned, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "rgb" / "checkpoints" / "4")
    away = keypoint_run.with_name("away")
    keypoint_run.rename(away)
    try:
        train(config, tmp_path / "run")
    finally:
        away.rename(keypoint_run)
    chex.assert_trees_all_equal(
        final(config, tmp_path / "run", final_state), final(config, tuned, final_state)
    )


@pytest.mark.slow
def test_a_run_has_one_start(pools, keypoint_run, tuned):
    config = smoke(wsp_finetune, pools)
    with pytest.raises(errors.BadInput, match="init is '.*' there and '' in the conf"):
        train(config, tuned)


@pytest.mark.slow
def test_training_begins_with_the_start(pools, keypoint_run, tmp_path, final_state):
    """At a rate of zero a backbone stays the best average of the run before."""
    config = smoke(wsp_finetune, pools, init=str(keypoint_run))
    config.optimizer.backbone_rate = 0.0
    train(config, tmp_path)
    before = smoke(wsp_keypoints, pools)
    stage = stages.config_of(before, "rgb", keypoint_run)
    _, best = restore.best(stage, keypoint_run / "rgb")
    trained = final(config, tmp_path, final_state)
    for params in (trained["params"], trained["ema_params"]):
        chex.assert_trees_all_close(
            params["params"]["core"]["backbone"],
            best.ema_params["params"]["core"]["backbone"],
            rtol=1e-6,  # the average of equals is rounded
        )
