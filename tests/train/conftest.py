import pathlib

import pytest

from unipose_jax.train import checkpoint, recipes, restore


@pytest.fixture(scope="session")
def final_state():
    """`final_state(config, workdir)`: what a run's newest checkpoint holds."""

    def read(config, workdir: pathlib.Path):
        checkpoints = checkpoint.Checkpoints(workdir)
        state, _ = restore.newest_or_new(
            config, recipes.build(config), checkpoints, workdir
        )
        checkpoints.close()
        return state

    return read
