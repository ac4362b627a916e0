"""A network of your own: a Flax module, the line that registers it, and a config.

python run.py --config=examples/own_network.py:smoke --workdir=W
"""

import flax.linen as nn
import jax.numpy as jnp

from configs import unipose
from unipose_jax import models


class MeanPool(nn.Module):
    """Joints from the mean feature of each frame's points."""

    num_joints: int
    dtype: jnp.dtype
    width: int

    @nn.compact
    def __call__(self, points, points_valid, time):
        where = points_valid[..., None]
        center = jnp.mean(points, axis=-2, keepdims=True, where=where)
        features = nn.relu(nn.Dense(self.width, dtype=self.dtype)(points - center))
        pooled = jnp.mean(features, axis=-2, where=where)
        values = nn.Dense(4 * self.num_joints)(nn.relu(nn.Dense(self.width)(pooled)))
        values = values.reshape(*values.shape[:-1], self.num_joints, 4)
        return models.PoseEstimate(values[..., :3] + center, values[..., 3])


models.register("mean_pool", MeanPool, inputs=models.POINT_FIELDS)  # the line


def get_config(mode="quick"):
    config = unipose.stage_1(mode)
    config.model = {"name": "mean_pool", "width": 64, "dtype": "float32"}
    return config
