"""What a run measures of itself, and what it leaves open when it fails."""

import json
import pathlib

import jax
import numpy as np
import pytest

from configs import unipose
from data_pipelines.loading import loader
from tests import stages
from unipose_jax import errors
from unipose_jax.train import loop, metric_writer, parallel, prefetch
from unipose_jax.train import state as train_state
from unipose_jax.train.checkpoints import checkpoint, restore


@pytest.fixture
def config(pools):
    config = unipose.get_config("smoke")
    config.data.cache_dir = pools
    config.log_every, config.model.num_blocks = 1, 1
    stages.keep_one_term(config)
    return config


@pytest.fixture
def open_managers(monkeypatch):
    """Names of Orbax's managers that are open, which hold threads and unsaved steps."""
    opened = []

    class Manager(checkpoint.ocp.CheckpointManager):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            opened.append(self)

        def close(self):
            super().close()
            opened.remove(self)

    monkeypatch.setattr(checkpoint.ocp, "CheckpointManager", Manager)
    return opened


class Clock:
    """Time that passes only where a test says so."""

    now = 0.0

    def time(self):
        return self.now

    monotonic = time


def quick_validation(*_):
    return lambda params: {"loss/total": 1.0}


@pytest.mark.slow
def test_only_training_counts_as_training_time(config, tmp_path, monkeypatch):
    clock = Clock()

    def map_step(step):
        mapped = original(step)

        def run(*arguments):
            clock.now += 0.5 if compiled else 1e5
            compiled.append(step)
            return mapped(*arguments)

        return run

    compiled, original = [], parallel.map_step

    class Checkpoints(checkpoint.Checkpoints):
        def save(self, *args, **kwargs):
            clock.now += 1e3
            super().save(*args, **kwargs)

    def make_validation(*_):
        def validate(params):
            clock.now += 1e4
            return {"loss/total": 1.0}

        return validate

    monkeypatch.setattr(metric_writer, "time", clock)
    monkeypatch.setattr(parallel, "map_step", map_step)
    monkeypatch.setattr(checkpoint, "Checkpoints", Checkpoints)
    monkeypatch.setattr(loop, "make_validation_fn", make_validation)
    config.checkpoint_every = 2
    assert loop.train(stages.stage(config, tmp_path))
    lines = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    trained = [line for line in lines if line["split"] == "train"]
    assert len(trained) == config.num_train_steps > config.checkpoint_every
    speeds = [line["steps_per_s"] for line in trained if line["step"] > 1]
    assert "steps_per_s" not in trained[0]  # the first step compiles
    np.testing.assert_allclose(speeds, 2.0, rtol=1e-6)


def test_a_first_line_times_the_steps_after_the_compiled_one(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(metric_writer, "time", clock)
    scalars = parallel.replicate({"loss/total": np.ones(())})
    with metric_writer.MetricWriter(tmp_path, first_step=0) as log:
        clock.now += 60.0
        log.add(1, scalars)
        log.start_clock()
        for step in (2, 3):
            clock.now += 0.25
            log.add(step, scalars)
        log.flush()
    (line,) = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert line["steps_per_s"] == 4.0


def test_steps_transfer_nothing_that_was_not_sent_ahead(config, tmp_path, monkeypatch):
    def guarded(function):
        def call(*arguments):
            with jax.transfer_guard("disallow"):
                return function(*arguments)

        return call

    original = parallel.map_step
    for kind, name in (
        (prefetch.Prefetch, "__next__"),
        (metric_writer.MetricWriter, "add"),
        (metric_writer.MetricWriter, "flush"),
    ):
        monkeypatch.setattr(kind, name, guarded(getattr(kind, name)))
    monkeypatch.setattr(parallel, "map_step", lambda step: guarded(original(step)))
    monkeypatch.setattr(loop, "make_validation_fn", quick_validation)
    assert loop.train(stages.stage(config, tmp_path))
    # Were batches fed as they are read, the step would be refused.
    monkeypatch.setattr(parallel, "put", parallel.shard)
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        loop.train(stages.stage(config, tmp_path / "unsent"))


def test_a_run_that_diverges_closes_its_checkpoints(
    config, tmp_path, monkeypatch, open_managers
):
    class Batches(loader.Loader):
        def __next__(self):
            batch = super().__next__()
            if self.get_state()["step"] > 2:
                batch = batch | {"uv": np.full_like(batch["uv"], np.nan)}
            return batch

    monkeypatch.setattr(loader, "Loader", Batches)
    monkeypatch.setattr(loop, "make_validation_fn", quick_validation)
    config.checkpoint_every = 2
    with pytest.raises(metric_writer.NonFiniteLoss, match="step 3"):
        loop.train(stages.stage(config, tmp_path))
    assert not open_managers
    assert checkpoint.latest_step(tmp_path) == 2


def test_a_refused_checkpoint_is_closed(config, tmp_path, monkeypatch, open_managers):
    monkeypatch.setattr(loop, "make_validation_fn", quick_validation)
    config.num_train_steps = 1
    assert loop.train(stages.stage(config, tmp_path))
    config.model.width = 2 * config.model.width
    for use in (
        lambda: restore.restore_best(stages.stage(config, tmp_path)),
        lambda: loop.train(stages.stage(config, tmp_path)),
    ):
        with pytest.raises(errors.BadInput, match="model.width"):
            use()
    assert not open_managers
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    with pytest.raises(errors.BadInput, match="no finished checkpoint"):
        restore.read_config(tmp_path / "empty")
    assert not open_managers


def test_initial_weights_share_no_key_with_a_step(config, monkeypatch):
    keys = []

    def create(network, optimizer, example, key):
        keys.append(key)
        return original(network, optimizer, example, key)

    original = train_state.create
    monkeypatch.setattr(train_state, "create", create)
    with checkpoint.Checkpoints(pathlib.Path("nowhere")) as nothing:
        restore.restore_or_init(stages.stage(config), nothing)
    root = jax.random.key(config.seed)
    steps = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(root, np.arange(1000))
    used = jax.random.key_data(steps).tolist() + [jax.random.key_data(root).tolist()]
    assert jax.random.key_data(keys[0]).tolist() not in used
