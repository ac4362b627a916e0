import numpy as np
import pytest

from configs import unipose
from unipose_jax import estimator
from unipose_jax.weights import store


def params(value):
    return {"params": {"layer": {"kernel": np.full((2, 3), value, np.float32)}}}


def test_saved_weights_are_loaded_unchanged(tmp_path):
    store.save(tmp_path / "mine", params(0.5), {"skeleton": "ITOP15"})
    found, meta = store.load(tmp_path / "mine")
    np.testing.assert_array_equal(found["params"]["layer"]["kernel"], 0.5)
    assert meta == {"skeleton": "ITOP15"}
    assert {p.name for p in tmp_path.iterdir()} == {"mine.npz", "mine.json"}


@pytest.mark.parametrize("name", ["v1.2", "v1.2.npz", "v1.2.json"])
def test_a_dot_in_the_file_name_is_kept(tmp_path, name):
    store.save(tmp_path / "v1.2", params(0.5), {"version": "1.2"})
    store.save(tmp_path / "v1.3", params(0.25), {"version": "1.3"})
    found, meta = store.load(tmp_path / name)
    np.testing.assert_array_equal(found["params"]["layer"]["kernel"], 0.5)
    assert meta["version"] == "1.2"


def test_shipped_and_exported_weights_are_used_in_float32(tmp_path):
    config = unipose.get_config("smoke")
    config.model.dtype = "bfloat16"
    made = estimator.from_config(config, params(0.5))
    estimator.export(tmp_path / "mine", made, {"seed": 3})
    meta = store.read_meta(tmp_path / "mine")
    assert (meta["model"]["dtype"], meta["seed"]) == ("float32", 3)
    assert estimator.load(tmp_path / "mine").num_points == config.data.num_points
    for modality in ("points", "depth"):
        assert store.read_meta(store.FOLDER / modality)["model"]["dtype"] == "float32"
