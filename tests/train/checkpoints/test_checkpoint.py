"""Checkpoints on disk: whole, damaged, or of a run that was killed."""

import numpy as np
import optax
import pytest

from unipose_jax import errors
from unipose_jax.train import state as train_state
from unipose_jax.train.checkpoints import checkpoint

FILES = (  # patterns below checkpoints/2
    "meta/metadata",
    "metrics/metrics",
    "state/_METADATA",
    "state/manifest.ocdbt",
    "state/d/*",
    "state/ocdbt.process_0/d/*",
)


@pytest.fixture
def state():
    """A small training state; the network is never applied."""
    kernel = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    params = {"params": {"kernel": kernel}}
    return train_state.TrainState.create(
        apply_fn=lambda params: params,
        params=params,
        ema_params=params,
        tx=optax.adam(1e-3),
    ).replace(step=np.asarray(2))


@pytest.fixture
def saved(state, tmp_path):
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, meta={"config": {}, "position": {}}, score=0.5)
    return tmp_path


def use(workdir, state):
    """Everything that is read of a checkpoint, one after the other."""
    yield "best", lambda opened: opened.best_step()
    yield "meta", lambda opened: opened.read_meta(2)
    yield "shapes", lambda opened: opened.read_shapes(2)
    yield "state", lambda opened: opened.restore(2, state)
    yield (
        "part",
        lambda opened: opened.restore_partial(2, {"ema_params": state.ema_params}),
    )


def test_a_whole_checkpoint_is_read(saved, state):
    with checkpoint.Checkpoints(saved) as opened:
        found = {name: read(opened) for name, read in use(saved, state)}
    kernel = state.params["params"]["kernel"]
    assert found["best"] == 2
    assert found["shapes"]["params"]["params"]["kernel"] == (300, 40)
    np.testing.assert_array_equal(found["state"].params["params"]["kernel"], kernel)
    part = found["part"]["ema_params"]["params"]["kernel"]
    np.testing.assert_array_equal(part, kernel)


# Orbax leaves tasks of a failed read to the garbage collector, which complains.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", ["remove", "cut", "empty", "scramble"])
@pytest.mark.parametrize("pattern", FILES)
def test_a_damaged_checkpoint_is_refused_in_one_line(saved, state, pattern, damage):
    files = list((saved / "checkpoints" / "2").glob(pattern))
    assert files
    for path in files:
        content = path.read_bytes()
        path.unlink()
        if damage != "remove":
            flipped = bytes(byte ^ 0x5A for byte in content)
            changed = {"cut": content[: len(content) // 2], "scramble": flipped}
            path.write_bytes(changed.get(damage, b""))
    refusals = [refusal(saved, state, name, read) for name, read in use(saved, state)]
    refusals = [text for text in refusals if text]
    assert refusals or (pattern, damage) == ("metrics/metrics", "remove")
    for text in refusals:
        assert "\n" not in text
        assert len(text) < 500
        assert f"{saved / 'checkpoints'}" in text
        assert "cannot be read" in text


def refusal(workdir, state, name, read) -> str:
    """Why a checkpoint cannot be read; "" where it can, as it was saved."""
    try:
        with checkpoint.Checkpoints(workdir) as opened:
            found = read(opened)
    except errors.BadInput as error:
        return str(error)
    if name == "state":
        kernel = found.params["params"]["kernel"]
        np.testing.assert_array_equal(kernel, state.params["params"]["kernel"])
    return ""


def test_a_model_may_have_settings_that_older_runs_do_not_know():
    saved = {"config": {"model": {"width": 4}}}
    new = {"model": {"width": 4, "keypoints": False}}
    assert not checkpoint.config_difference(saved, new, ("model.",))
    new["model"]["keypoints"] = True
    message = checkpoint.config_difference(saved, new, ("model.",))
    assert message == "model.keypoints is None there and True in the config"
