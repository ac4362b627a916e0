"""Saves a checkpoint at every step until it is killed: `... saving_program WORKDIR`."""

import pathlib
import sys

import numpy as np
import optax

from unipose_jax.train import state as train_state
from unipose_jax.train.checkpoints import checkpoint


def make_state(step: int) -> train_state.TrainState:
    """A state of 12 MB whose arrays hold the step, in every element."""
    params = {"kernel": np.full((1000, 1000), step, np.float32)}
    return train_state.TrainState.create(
        apply_fn=lambda params: params,
        params=params,
        ema_params=params,
        tx=optax.sgd(0.1, momentum=0.9),
    ).replace(step=np.asarray(step))


def main(workdir: str) -> None:
    with checkpoint.Checkpoints(pathlib.Path(workdir)) as checkpoints:
        step = checkpoints.latest_step() or 0
        while True:
            step += 1
            meta = {"config": {}, "position": {"step": step}}
            checkpoints.save(make_state(step), meta=meta, score=1.0 / step)


if __name__ == "__main__":
    main(*sys.argv[1:])
