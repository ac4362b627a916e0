"""Facts about whole training runs, on the smoke config."""

import json
import pathlib
import shutil
import signal

import chex
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest

from configs import unipose
from data_pipelines.loading import loader
from data_pipelines.rendered import clip_pool
from tests import config_data, stages
from unipose_jax import errors, models
from unipose_jax.train import loop, metric_writer, parallel
from unipose_jax.train import state as train_state
from unipose_jax.train import step as train_step
from unipose_jax.train.checkpoints import checkpoint, restore
from unipose_jax.train.evaluation import evaluate

pytestmark = pytest.mark.usefixtures("shared_programs")


@pytest.fixture
def config(pools) -> ml_collections.ConfigDict:
    return smoke_config(pools)


def smoke_config(pools: str) -> ml_collections.ConfigDict:
    config = unipose.get_config("smoke")
    config.data.cache_dir = pools
    return stages.values(config, "points", pathlib.Path("nowhere"))


@pytest.fixture(scope="module")
def straight(smoke_run) -> pathlib.Path:
    """The folder of an uninterrupted run; not to be written to."""
    return smoke_run.workdir


@pytest.fixture(scope="module")
def blind(pools, shared_programs, tmp_path_factory) -> pathlib.Path:
    """The folder of a run whose 3D labels were all NaN."""
    workdir = tmp_path_factory.mktemp("blind")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip_pool, "ClipPool", BlindPool)
        assert loop.train(stages.stage(smoke_config(pools), workdir))
    return workdir


def log_of(workdir: pathlib.Path) -> list[dict]:
    lines = (workdir / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


class KilledError(Exception):
    """Stands for kill -9 between two steps."""


class BlindPool(clip_pool.ClipPool):
    """Examples whose every 3D label is NaN."""

    def example(self, index, rng):
        example = super().example(index, rng)
        example["xyz"] = np.full_like(example["xyz"], np.nan)
        return example


class Signalled(loader.Loader):
    """SIGTERM arrives while batch 3 is read."""

    def __next__(self):
        if self.get_state()["step"] == 2:
            signal.raise_signal(signal.SIGTERM)
        return super().__next__()


def train_until_killed(config, workdir, monkeypatch, *, after: int) -> None:
    """Trains, and dies after a step that was logged and, if due, saved."""

    class Dying(metric_writer.MetricWriter):
        def add(self, step, scalars):
            if step == after + 1:
                raise KilledError
            super().add(step, scalars)

    with monkeypatch.context() as patch:
        patch.setattr(metric_writer, "MetricWriter", Dying)
        with pytest.raises(KilledError):
            loop.train(stages.stage(config, workdir))


def test_a_killed_and_a_stopped_run_end_as_a_straight_one(
    config, straight, tmp_path, monkeypatch, final_state, capfd
):
    # Dies in step 4: step 3 is logged, and step 2 the last that is saved.
    train_until_killed(config, tmp_path, monkeypatch, after=3)
    assert checkpoint.latest_step(tmp_path) == 2
    # Goes on, and SIGTERM while step 3 is made saves step 3 and ends the run.
    with monkeypatch.context() as patch:
        patch.setattr(loader, "Loader", Signalled)
        assert not loop.train(stages.stage(config, tmp_path))
    assert checkpoint.latest_step(tmp_path) == 3
    assert "SIGTERM: the run is saved after this step" in capfd.readouterr().err
    assert loop.train(stages.stage(config, tmp_path))
    assert "resumes from the checkpoint of step 3" in capfd.readouterr().out
    chex.assert_trees_all_equal(
        final_state(config, straight).checkpoint_tree(),
        final_state(config, tmp_path).checkpoint_tree(),
    )
    curves = [
        [(e["step"], e["split"], e["loss/total"]) for e in log_of(workdir)]
        for workdir in (straight, tmp_path)
    ]
    assert curves[0] == curves[1]


def test_weak_supervision_never_reads_3d_labels(config, straight, blind, final_state):
    chex.assert_trees_all_equal(
        final_state(config, straight).checkpoint_tree(),
        final_state(config, blind).checkpoint_tree(),
    )


def test_supervision_does_read_3d_labels(config, tmp_path, monkeypatch):
    # The test above could not fail if labels never mattered.
    for name in config.loss_weights:
        config.loss_weights[name] = float(name == "joint_position")
    monkeypatch.setattr(clip_pool, "ClipPool", BlindPool)
    with pytest.raises(metric_writer.NonFiniteLoss, match="step 1: .*joint_position"):
        loop.train(stages.stage(config, tmp_path))
    assert not (tmp_path / "checkpoints" / "1").exists()


def test_validation_tells_errors_where_there_is_a_truth(straight, blind):
    known, unknown = (
        [line for line in log_of(workdir) if line["split"] == "validation"]
        for workdir in (straight, blind)
    )
    assert [line["step"] for line in known] == [2, 4]
    assert all(0 < line["pa_mpjpe_mm"] < line["mpjpe_mm"] for line in known)
    assert all(0 <= line["map_10cm"] <= 1 for line in known)
    assert all("mpjpe_mm" not in line for line in unknown)
    assert [k["loss/total"] for k in known] == [u["loss/total"] for u in unknown]


def test_validation_error_is_that_of_the_predictions(config, straight, final_state):
    recipe, state = stages.recipe(config), final_state(config, straight)
    source = config_data.open_split(config, "validation")
    predicted = evaluate.predict_split(
        evaluate.make_predict(state.apply_fn, recipe.inputs),
        parallel.replicate(state.ema_params),
        source,
        batch_size=config.global_batch_size,
    )
    truth = evaluate.collate(source[index] for index in range(len(source)))
    errors = np.linalg.norm(predicted["xyz"] - truth["xyz"], axis=-1)
    last = [line for line in log_of(straight) if line["split"] == "validation"][-1]
    np.testing.assert_allclose(last["mpjpe_mm"], 1000 * errors.mean(), rtol=1e-5)


def test_finished_run_is_left_alone(config, straight):
    before = (straight / "log.jsonl").read_text()
    assert loop.train(stages.stage(config, straight))
    assert (straight / "log.jsonl").read_text() == before


def test_checkpoint_of_another_model_is_refused(config, straight):
    config.model.width = 32
    match = "model.width is 16 there and 32 in the config"
    with pytest.raises(errors.BadInput, match=match):
        loop.train(stages.stage(config, straight))


def test_run_is_not_continued_under_another_objective(config, straight):
    config.loss_weights.symmetry = 1.0
    with pytest.raises(errors.BadInput, match="loss_weights.symmetry is 0.05 there"):
        loop.train(stages.stage(config, straight))


def test_a_run_is_lengthened_by_a_larger_number_of_steps(
    config, straight, tmp_path, capsys, traced_only
):
    workdir = shutil.copytree(straight, tmp_path / "run")
    before = log_of(straight)
    config.num_train_steps = 6
    assert loop.train(stages.stage(config, workdir))
    assert checkpoint.latest_step(workdir) == 6
    assert checkpoint.latest_meta(workdir)["config"]["num_train_steps"] == 6
    said = capsys.readouterr().out
    assert "lengthened from 4 to 6 steps; from step 4 on, learning rate" in said
    trained = [line["step"] for line in log_of(workdir) if line["split"] == "train"]
    assert trained == [1, 2, 3, 4, 5, 6]
    assert log_of(workdir)[: len(before)] == before
    assert loop.train(stages.stage(config, workdir))  # finished: nothing to say
    assert "lengthened" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_train_steps": 2}, "num_train_steps is 4 there and 2 in the config"),
        ({"num_train_steps": 6, "seed": 1}, "config: seed is 0 there and 1 in the"),
    ],
)
def test_a_run_is_neither_shortened_nor_lengthened_with_other_settings(
    config, straight, changes, message
):
    config.update_from_flattened_dict(changes)
    with pytest.raises(errors.BadInput, match=message):
        loop.train(stages.stage(config, straight))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("global_batch_size", 6, "does not divide over 4 devices"),
        ("recipe", "no_such", "unknown recipe 'no_such'"),
        ("data.num_points", 5000, "num_points is 5000"),
        ("data.validation_clips", 3, "3 clips, fewer than the 4 devices"),
    ],
)
def test_config_that_cannot_work_is_refused_before_training(
    config, tmp_path, key, value, message
):
    config.update_from_flattened_dict({key: value})
    config.data.scene.frames = 2
    with pytest.raises(errors.BadInput, match=message):
        loop.train(stages.stage(config, tmp_path))
    assert not (tmp_path / "checkpoints").exists()


def test_newest_checkpoint_survives_a_better_one(config, tmp_path):
    checkpoints = checkpoint.Checkpoints(tmp_path)
    stage = stages.stage(config, tmp_path)
    state, _ = restore.restore_or_init(stage, checkpoints)
    meta = {"config": stage.config, "position": {"step": 0}}
    for step, score in [(1, 0.5), (2, 0.1), (3, 0.9), (4, 0.8), (5, None)]:
        checkpoints.save(state.replace(step=np.asarray(step)), meta=meta, score=score)
    checkpoints.close()
    reopened = checkpoint.Checkpoints(tmp_path)
    assert reopened.latest_step() == 5
    assert reopened.best_step() == 2
    kept = {int(p.name) for p in (tmp_path / "checkpoints").iterdir()}
    assert kept == {2, 5}


def as_double(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64) if values.dtype == np.float32 else values


def gradient_step(config, batch, devices: int):
    """Gradients and loss, in float64, of one step on the first `devices` devices."""
    recipe = stages.recipe(config)
    network = recipe.network.clone(dtype=jnp.dtype("float64"))
    batch = {name: as_double(value) for name, value in batch.items()}
    optimizer = optax.sgd(1.0)
    state = train_state.create(
        network,
        optimizer,
        restore.dummy_inputs(config_data.typed(config.data), recipe.inputs),
        jax.random.key(0),
    )
    state = state.replace(params=jax.tree.map(as_double, state.params))
    step = train_step.make_train_step(
        recipe.train_terms, lambda _: dict(USED_WEIGHTS), ema_decay=0.9
    )
    mapped = jax.pmap(
        step,
        axis_name=parallel.AXIS,
        in_axes=(None, 0, None),
        devices=jax.devices()[:devices],
    )
    fed = {
        name: batch[name].reshape(devices, -1, *batch[name].shape[1:])
        for name in recipe.fields
    }
    after, scalars = mapped(state, fed, jax.random.key(1))
    grads = jax.tree.map(lambda a, b: a - b[0], state.params, after.params)
    return jax.device_get((grads, scalars["loss/total"][0]))


USED_WEIGHTS = {
    name: weight for name, weight in unipose.get_config().loss_weights.items() if weight
}


def test_four_devices_equal_one(config):
    config.model.num_blocks = 1
    assert jax.device_count() == 4
    batch = next(config_data.open_train(config, host=0, hosts=1))
    # Uneven keypoints: the first clips have almost none.
    batch["confidence"][:2, :, 2:] = 0.0
    # A fresh network's bones are short: float32 has no digits left in their direction.
    with jax.enable_x64(True):
        one, loss_one = gradient_step(config, batch, 1)
        four, loss_four = gradient_step(config, batch, 4)
    np.testing.assert_allclose(loss_four, loss_one, rtol=1e-6)
    chex.assert_trees_all_close(four, one, atol=1e-6)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(one)) > 1e-3


def test_hosts_see_disjoint_parts_of_one_batch(config):
    whole = next(config_data.open_train(config, host=0, hosts=1))
    parts = [
        next(config_data.open_train(config, host=host, hosts=2)) for host in (0, 1)
    ]
    for name, value in whole.items():
        np.testing.assert_array_equal(
            np.concatenate([part[name] for part in parts]), value
        )


def test_splits_share_nobody(config):
    train = clip_pool.open_pool(config_data.typed(config.data), "train")
    test = clip_pool.open_pool(config_data.typed(config.data), "test")
    validation = clip_pool.open_pool(config_data.typed(config.data), "validation")
    first = [pool.clips["xyz"][:4, 0, 0] for pool in (train, test, validation)]
    assert not np.isclose(first[0], first[1]).any()
    assert not np.isclose(first[0], first[2]).any()
    assert not np.isclose(first[1], first[2]).any()


def test_fresh_batches_are_functions_of_the_step(config):
    config.data.train_clips = 0
    batches = config_data.open_train(config, host=0, hosts=1)
    first, second = next(batches), next(batches)
    assert not np.array_equal(first["xyz"], second["xyz"])
    again = config_data.open_train(config, host=0, hosts=1)
    again.set_state({"step": 1})
    np.testing.assert_array_equal(next(again)["points"], second["points"])


def test_every_clip_is_predicted_once_and_in_order(config):
    recipe = stages.recipe(config)
    source = config_data.open_split(config, "test")
    assert len(source) % config.global_batch_size  # the last batch is not full

    def apply(params, points, points_valid, time):
        del params, points_valid, time
        return models.PoseEstimate(
            xyz=points[:, :, :1], confidence_logit=points[:, :, :1, 0]
        )

    predict = evaluate.make_predict(apply, recipe.inputs)
    predicted = evaluate.predict_split(
        predict, parallel.replicate({"w": np.zeros(1)}), source, batch_size=4
    )
    expected = np.stack([source[i]["points"][:, :1] for i in range(len(source))])
    np.testing.assert_allclose(predicted["xyz"], expected, atol=1e-6)


def test_batch_must_divide_over_devices():
    with pytest.raises(ValueError, match="global_batch_size=6 does not divide over 4"):
        parallel.local_batch_size(6)
