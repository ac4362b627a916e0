"""What a run measures of itself, and what it leaves open when it fails."""

import json
import pathlib

import jax
import numpy as np
import pytest

from configs import unipose
from data_pipelines import errors, pool_batches
from unipose_jax.train import checkpoint, journal, loop, recipes, restore
from unipose_jax.train import state as train_state


@pytest.fixture
def config(tmp_path_factory):
    config = unipose.get_config("smoke")
    config.data.cache_dir = str(tmp_path_factory.getbasetemp() / "pools")
    config.log_every = 1
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


def test_only_training_counts_as_training_time(config, tmp_path, monkeypatch):
    clock = Clock()

    class Batches(pool_batches.PoolBatches):
        def __next__(self):
            clock.now += 0.5
            return super().__next__()

    class Checkpoints(checkpoint.Checkpoints):
        def save(self, *args, **kwargs):
            clock.now += 1e3
            super().save(*args, **kwargs)

    def make_validation(*_):
        def validate(params):
            clock.now += 1e4
            return {"loss/total": 1.0}

        return validate

    monkeypatch.setattr(journal, "time", clock)
    monkeypatch.setattr(pool_batches, "PoolBatches", Batches)
    monkeypatch.setattr(checkpoint, "Checkpoints", Checkpoints)
    monkeypatch.setattr(loop, "make_validation", make_validation)
    config.checkpoint_every = 2
    assert loop.train(config, tmp_path)
    lines = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    speeds = [line["steps_per_s"] for line in lines if line["split"] == "train"]
    assert len(speeds) == config.num_train_steps > config.checkpoint_every
    np.testing.assert_allclose(speeds, 2.0, rtol=1e-6)
