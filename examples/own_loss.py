"""A loss term of your own: a function, the line that registers it, and a config.

    python run.py --config=examples/own_loss.py:smoke --workdir=W

The log and the learning curves of the run have the term as loss/head_above_torso.
"""

import jax.numpy as jnp

from configs import unipose
from unipose_jax import skeleton
from unipose_jax.train.recipes import terms

HEAD, TORSO = (skeleton.ITOP15.index(name) for name in ("head", "torso"))


def head_above_torso(estimate, batch, context):
    """Metres by which the head is below the torso; y points down in camera frames."""
    below = estimate.xyz[..., HEAD, 1] - estimate.xyz[..., TORSO, 1]
    return jnp.maximum(below, 0.0)


terms.register("head_above_torso", head_above_torso)  # the line


def get_config(mode="quick"):
    config = unipose.stage_1(mode)
    config.loss_weights.head_above_torso = 0.1
    return config
