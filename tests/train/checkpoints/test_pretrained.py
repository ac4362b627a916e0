"""Exported weights as the initial ones of a network that may have more modules."""

import numpy as np
import optax
import pytest

from unipose_jax import errors
from unipose_jax.train import state as train_state
from unipose_jax.train.checkpoints import pretrained
from unipose_jax.weights import store

OLD = {"params": {"body": {"kernel": np.full((2, 3), 0.5, np.float32)}}}
NEW = {
    "params": {
        "body": {"kernel": np.zeros((2, 3), np.float32)},
        "head": {"bias": np.full(3, 7.0, np.float32)},
    }
}


def state(params):
    return train_state.TrainState.create(
        apply_fn=None, params=params, ema_params=params, tx=optax.sgd(0.1)
    )


@pytest.fixture
def exported(tmp_path):
    store.save(tmp_path / "old", OLD, {})
    return str(tmp_path / "old")


def test_known_modules_are_read_and_new_ones_keep_their_values(exported, capsys):
    found = pretrained.load_weights(state(NEW), exported, "points")
    for params in (found.params, found.ema_params):
        np.testing.assert_array_equal(params["params"]["body"]["kernel"], 0.5)
        np.testing.assert_array_equal(params["params"]["head"]["bias"], 7.0)
    assert "no params/head there; training starts these anew" in capsys.readouterr().out


def test_weights_of_another_network_are_refused(exported):
    other = {"params": {"body": {"kernel": np.zeros((2, 4), np.float32)}}}
    with pytest.raises(errors.BadInput, match=r"kernel is \(2, 3\) there and \(2, 4\)"):
        pretrained.load_weights(state(other), exported, "points")
    less = {"params": {"head": NEW["params"]["head"]}}
    with pytest.raises(errors.BadInput, match="body/kernel is .* and missing here"):
        pretrained.load_weights(state(less), exported, "points")


def test_damaged_weights_are_one_line(exported, tmp_path):
    (tmp_path / "old.npz").write_bytes(b"no archive")
    with pytest.raises(
        errors.BadInput, match=r"init_weights: .*old.npz cannot be read"
    ):
        pretrained.load_weights(state(NEW), exported, "points")


def test_weights_that_ship_have_names():
    for name, modality in {"points_keypoints": "points", "shipped": "depth"}.items():
        found = pretrained.weights_path(name, modality)
        assert found.parent == store.FOLDER
        assert found.name == (modality if name == "shipped" else name)
