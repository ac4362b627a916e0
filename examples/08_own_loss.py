"""A loss term of your own: one function and one line.

    python run.py --config=examples/08_own_loss.py --workdir=W
    python examples/08_own_loss.py

The second command takes four steps.
"""

import json
import pathlib
import tempfile

import jax.numpy as jnp

from configs import unipose
from unipose_jax import skeleton
from unipose_jax.train import loop, plan
from unipose_jax.train.recipes import terms

NECK, TORSO = (skeleton.ITOP15.index(name) for name in ("neck", "torso"))


def upright(estimate, batch, context):
    """Metres by which the neck is less than `scale` above the torso; y points down."""
    height = estimate.xyz[..., TORSO, 1] - estimate.xyz[..., NECK, 1]
    return jnp.maximum(context.scale - height, 0.0)


terms.register("upright", upright, scale="upright_height")


def get_config(mode="quick"):
    config = unipose.stage_1(mode)
    config.loss_weights.upright, config.loss.upright_height = 0.1, 0.1  # metres
    return config


if __name__ == "__main__":
    folder = pathlib.Path(tempfile.mkdtemp())
    loop.train(plan.resolve(get_config("smoke"), folder, training=True).stages[0])
    for line in (folder / "log.jsonl").read_text().splitlines():
        print("loss/upright", json.loads(line)["loss/upright"])
