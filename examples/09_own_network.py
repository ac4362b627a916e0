"""A network of your own: a Flax module and one line.

    python run.py --config=examples/09_own_network.py --workdir=W
    python examples/09_own_network.py

The second command takes four steps.
"""

import pathlib
import tempfile

import flax.linen as nn
import jax.numpy as jnp

from configs import unipose
from unipose_jax import models
from unipose_jax.train import loop, plan


class MeanNet(nn.Module):
    num_joints: int
    dtype: str
    width: int

    @nn.compact
    def __call__(self, points, points_valid, time):
        mean = jnp.mean(points, -2, keepdims=True, where=points_valid[..., None])
        hidden = nn.relu(nn.Dense(self.width)(points - mean)).max(-2)
        found = nn.DenseGeneral((self.num_joints, 4))(hidden)
        return models.PoseEstimate(found[..., :3] + mean, found[..., 3])


models.register("mean_net", MeanNet, inputs=models.POINT_FIELDS)


def get_config(mode="quick"):
    config = unipose.stage_1(mode)
    config.model = {"name": "mean_net", "width": 32, "dtype": "float32"}
    return config


if __name__ == "__main__":
    folder = pathlib.Path(tempfile.mkdtemp())
    loop.train(plan.resolve(get_config("smoke"), folder, training=True).stages[0])
    print((folder / "log.jsonl").read_text())
