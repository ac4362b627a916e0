import dataclasses

import jax
import numpy as np
import pytest

from data_pipelines.ground import schema
from unipose_jax.synthesis import pools, scene

SEED, COUNT = 3, 6
PARAMS = scene.SceneParams(frames=3, height=60, width=80, points=128, crop_size=16)


@pytest.fixture(scope="module")
def pool():
    return render(0, COUNT, extras=scene.EXTRAS)


def render(start, count, *, params=PARAMS, **options):
    return pools.render_pool(
        SEED, "train", start, count, params, batch_size=2, **options
    )


def test_clip_is_a_function_of_seed_split_and_index(pool):
    part = render(3, 2, extras=scene.EXTRAS)
    for name, value in part.items():
        np.testing.assert_array_equal(value, pool[name][3:5], err_msg=name)


@pytest.mark.parametrize("devices", [1, 4])
def test_clips_rendered_together_equal_those_rendered_alone(pool, monkeypatch, devices):
    """Accelerators render batches and share them, a CPU (`pool`) goes clip by clip."""
    monkeypatch.setattr(pools, "_one_by_one", lambda: False)
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:devices])
    together = pools.make_renderer(SEED, "train", PARAMS, extras=scene.EXTRAS)
    clips = together(np.array([2, 4, 4, 5]))
    assert clips.keys() == pool.keys()
    assert len(clips["points"].sharding.device_set) == devices
    # Rounding differs between compilations, and an edge pixel may then fall to the
    # other side: almost all numbers agree.
    for name, value in clips.items():
        close = np.isclose(value, pool[name][[2, 4, 4, 5]], rtol=1e-3, atol=1e-3)
        assert close.mean() > 0.98, name


def test_crops_change_nothing_else(pool):
    plain = dataclasses.replace(PARAMS, crop_size=0)
    without = render(0, 2, params=plain)
    assert without.keys() == pool.keys() - schema.EXTRAS.keys() - {"true_depth"}
    for name, value in without.items():
        np.testing.assert_array_equal(value, pool[name][:2], err_msg=name)


def test_progress_counts_clips():
    done = []
    render(0, 4, progress=done.append)
    one_by_one = jax.default_backend() == "cpu"
    assert done == ([1, 2, 3, 4] if one_by_one else [2, 4])
