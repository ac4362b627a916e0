import json

import numpy as np
import pytest

from configs import unipose
from data_pipelines import errors, schema, sources, synthetic


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = unipose.get_config("smoke")
    config.data.cache_dir = str(tmp_path_factory.mktemp("pools"))
    return config


def test_batches_fit_the_schema(config):
    schema.validate(next(sources.open_train(config, host=0, hosts=1)))


def test_every_clip_comes_once_an_epoch(config):
    pool = synthetic.open_pool(config.data, "train")
    batches = synthetic.PoolBatches(pool, seed=3, batch_size=4, host=0, hosts=1)
    heads = [next(batches)["xyz"][:, 0, 0] for _ in range(4)]  # two epochs of 8 clips
    stored = np.sort(pool.clips["xyz"][:, 0, 0], axis=0)
    for epoch in (heads[:2], heads[2:]):
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch), axis=0), stored)
    assert not np.array_equal(heads[0], heads[2])


def test_state_is_json_and_resumes_exactly(config):
    batches = sources.open_train(config, host=0, hosts=1)
    next(batches)
    state = json.loads(json.dumps(batches.get_state()))
    expected = next(batches)
    other = sources.open_train(config, host=0, hosts=1)
    other.set_state(state)
    resumed = next(other)
    for name, value in expected.items():
        np.testing.assert_array_equal(resumed[name], value)


def test_cached_pool_is_the_rendered_one(config):
    first = synthetic.open_pool(config.data, "validation")
    again = synthetic.open_pool(config.data, "validation")
    for name, value in first.clips.items():
        np.testing.assert_array_equal(again.clips[name], value)


def test_another_detector_is_another_pool(config):
    base = synthetic.open_pool(config.data, "validation")
    data = config.copy_and_resolve_references().data
    data.scene.detector.noise = 8.0
    noisy = synthetic.open_pool(data, "validation")
    np.testing.assert_array_equal(noisy.clips["points"], base.clips["points"])
    assert not np.array_equal(noisy.clips["uv"], base.clips["uv"])


def test_missing_motion_is_said(config):
    data = config.copy_and_resolve_references().data
    data.motion = "nowhere.npz"
    with pytest.raises(errors.BadInput, match="no motion clips at nowhere.npz"):
        synthetic.open_pool(data, "test")


def test_unknown_source_names_the_choices(config):
    config = config.copy_and_resolve_references()
    config.data.name, config.data.path = "itpo", "somewhere"
    with pytest.raises(errors.BadInput, match="use one of synthetic, recording, itop"):
        sources.open_split(config, "test")
