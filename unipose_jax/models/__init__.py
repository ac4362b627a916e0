"""Flax networks and the table of their names in configs."""

import dataclasses
from collections.abc import Callable, Mapping

import flax.linen as nn
import jax.numpy as jnp

from unipose_jax.models.anchor_net import ColorAnchorNet, DepthAnchorNet
from unipose_jax.models.estimate import (
    CropEstimate,
    LiftEstimate,
    PoseEstimate,
    RankEstimate,
)
from unipose_jax.models.point_net import FUSIONS, PointNet, modalities
from unipose_jax.models.pose_machine import PoseMachine
from unipose_jax.models.rank_net import RankNet

POINT_FIELDS = ("points", "points_valid", "time")
KEYPOINT_FIELDS = ("uv", "confidence", "intrinsics")
IMAGE_FIELDS = ("image", "people_uv")
CROP_FIELDS = {
    "depth": ("depth_crop", "depth_crop_matrix", "reference_depth"),
    "rgb": ("color_crop", "color_crop_matrix", "cam_from_points"),
}
"""Batch fields (data_pipelines.ground.schema) that networks take by keyword."""

__all__ = [
    "CROP_FIELDS",
    "ColorAnchorNet",
    "CropEstimate",
    "DepthAnchorNet",
    "FUSIONS",
    "IMAGE_FIELDS",
    "KEYPOINT_FIELDS",
    "LiftEstimate",
    "NETWORKS",
    "Network",
    "POINT_FIELDS",
    "PointNet",
    "PoseEstimate",
    "PoseMachine",
    "RankEstimate",
    "RankNet",
    "build",
    "input_fields",
    "modalities",
    "register",
]


@dataclasses.dataclass(frozen=True)
class Network:
    """One row of the table of networks.

    Attributes:
        module: Flax module class. Its attributes are `num_joints`, `dtype` and the
            other entries of `config.model`. It returns a `PoseEstimate`.
        inputs: batch fields that the module takes by keyword, or a function that
            computes them from `config.model`.
    """

    module: Callable[..., nn.Module]
    inputs: tuple[str, ...] | Callable[[Mapping], tuple[str, ...]]


def _point_net_inputs(config: Mapping) -> tuple[str, ...]:
    images = modalities(config.get("fusion", "none"))[1:]
    return sum((CROP_FIELDS[name] for name in images), POINT_FIELDS)


def _pose_machine_inputs(config: Mapping) -> tuple[str, ...]:
    reads_images = config["features"] != "keypoints"
    crop = ("color_crop", "color_crop_matrix")
    return KEYPOINT_FIELDS + (crop if reads_images else ())


NETWORKS = {
    "color_anchor_net": Network(ColorAnchorNet, CROP_FIELDS["rgb"]),
    "depth_anchor_net": Network(DepthAnchorNet, CROP_FIELDS["depth"]),
    "point_net": Network(PointNet, _point_net_inputs),
    "pose_machine": Network(PoseMachine, _pose_machine_inputs),
    "rank_net": Network(RankNet, IMAGE_FIELDS),
}
"""Networks by their name in configs. A new network needs one file and one line here."""


def register(
    name: str, module: Callable[..., nn.Module], *, inputs: tuple[str, ...]
) -> None:
    """Registers a network from outside the package as `config.model.name = name`.

    See `examples/own_network.py`.

    Args:
        name: name of the network in configs.
        module: as in `Network`.
        inputs: as in `Network`.

    Raises:
        ValueError: another network has this name.
    """
    if name in NETWORKS and NETWORKS[name] != Network(module, inputs):
        raise ValueError(f"there is a network {name!r} already")
    NETWORKS[name] = Network(module, inputs)


def build(config: Mapping, *, num_joints: int) -> nn.Module:
    """Builds the network `config["name"]`; the other entries are its attributes.

    Args:
        config: `name`, `dtype` ("float32" or "bfloat16") and the network's attributes.
        num_joints: number of joints of the predicted skeleton.

    Raises:
        ValueError: the network is unknown.
    """
    attributes = dict(config)
    network = _network(attributes.pop("name"))
    dtype = jnp.dtype(attributes.pop("dtype"))
    return network.module(num_joints=num_joints, dtype=dtype, **attributes)


def input_fields(config: Mapping) -> tuple[str, ...]:
    """Names of the batch fields that the network of a config takes by keyword.

    Args:
        config: as in `build`.

    Raises:
        ValueError: the network or its fusion is unknown.
    """
    inputs = _network(config["name"]).inputs
    return inputs(config) if callable(inputs) else inputs


def _network(name: str) -> Network:
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; choose from {sorted(NETWORKS)}")
    return NETWORKS[name]
