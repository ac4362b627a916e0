"""Flax networks, by the name that configs use."""

from collections.abc import Mapping

import flax.linen as nn
import jax.numpy as jnp

from unipose_jax.models.anchor_net import ColorAnchorNet, DepthAnchorNet
from unipose_jax.models.estimate import CropEstimate, PoseEstimate
from unipose_jax.models.point_net import PointNet

NETWORKS = {
    "color_anchor_net": ColorAnchorNet,
    "depth_anchor_net": DepthAnchorNet,
    "point_net": PointNet,
}

__all__ = [
    "NETWORKS",
    "ColorAnchorNet",
    "CropEstimate",
    "DepthAnchorNet",
    "PointNet",
    "PoseEstimate",
    "build",
]


def build(config: Mapping, *, num_joints: int) -> nn.Module:
    """The network that `config["name"]` names, with the other entries as attributes.

    Args:
        config: `name`, `dtype` ("float32" or "bfloat16") and the network's attributes.
        num_joints: of the skeleton to predict.

    Raises:
        ValueError: no such network.
    """
    attributes = dict(config)
    name = attributes.pop("name")
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; choose from {sorted(NETWORKS)}")
    dtype = jnp.dtype(attributes.pop("dtype"))
    return NETWORKS[name](num_joints=num_joints, dtype=dtype, **attributes)
