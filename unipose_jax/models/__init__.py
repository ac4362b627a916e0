"""Flax networks, by the name that configs use."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

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


Fields = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Network:
    """A row of the table of networks.

    Attributes:
        module: Flax module class, built with `num_joints`, `dtype` and the settings.
        inputs: batch fields that it takes by keyword, or a function from
            `config.model` to them.
    """

    module: Callable[..., nn.Module]
    inputs: Fields | Callable[[Mapping[str, Any]], Fields]


def _point_net_inputs(config: Mapping[str, Any]) -> Fields:
    images = modalities(config.get("fusion", "none"))[1:]
    fields = sum((CROP_FIELDS[name] for name in images), POINT_FIELDS)
    return _with_keypoints(fields, config)


def _anchor_net_inputs(crop: str) -> Callable[[Mapping[str, Any]], Fields]:
    return lambda config: _with_keypoints(CROP_FIELDS[crop], config)


def _with_keypoints(fields: Fields, config: Mapping[str, Any]) -> Fields:
    """The fields, and those of 2D keypoints if the network takes them."""
    if not config.get("keypoints"):
        return fields
    return tuple(dict.fromkeys((*fields, *KEYPOINT_FIELDS, "cam_from_points")))


def _pose_machine_inputs(config: Mapping[str, Any]) -> Fields:
    crops = ("color_crop", "color_crop_matrix")
    return KEYPOINT_FIELDS + (() if config["features"] == "keypoints" else crops)


NETWORKS: dict[str, Network] = {
    "color_anchor_net": Network(ColorAnchorNet, _anchor_net_inputs("rgb")),
    "depth_anchor_net": Network(DepthAnchorNet, _anchor_net_inputs("depth")),
    "point_net": Network(PointNet, _point_net_inputs),
    "pose_machine": Network(PoseMachine, _pose_machine_inputs),
    "rank_net": Network(RankNet, IMAGE_FIELDS),
}
BUILT_IN = tuple(NETWORKS)
"""The networks of the package; `register` adds others."""

__all__ = [
    "BUILT_IN",
    "CROP_FIELDS",
    "FUSIONS",
    "KEYPOINT_FIELDS",
    "NETWORKS",
    "IMAGE_FIELDS",
    "POINT_FIELDS",
    "ColorAnchorNet",
    "CropEstimate",
    "DepthAnchorNet",
    "LiftEstimate",
    "Network",
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


def register(name: str, module: Callable[..., nn.Module], *, inputs: Fields) -> None:
    """Adds a network of your own; `config.model.name` then selects it.

    Args:
        name: for `config.model.name`.
        module: Flax module class. It has the attributes `num_joints` and `dtype`, and
            one for each other setting of `config.model`. Called with `inputs` by
            keyword, it returns a `PoseEstimate`.
        inputs: batch fields, such as `POINT_FIELDS`.
    """
    NETWORKS[name] = Network(module, tuple(inputs))


def build(config: Mapping, *, num_joints: int) -> nn.Module:
    """The network that `config["name"]` names, with the other entries as attributes.

    Args:
        config: `name`, `dtype` ("float32" or "bfloat16") and the network's attributes.
        num_joints: of the skeleton to predict.

    Raises:
        ValueError: no such network.
    """
    attributes = dict(config)
    network = _find(attributes.pop("name"))
    dtype = jnp.dtype(attributes.pop("dtype"))
    return network.module(num_joints=num_joints, dtype=dtype, **attributes)


def input_fields(config: Mapping) -> Fields:
    """The batch fields that the network of a config takes, by keyword.

    Args:
        config: see `build`.

    Raises:
        ValueError: no such network, or no such fusion.
    """
    inputs = _find(config["name"]).inputs
    return inputs(config) if callable(inputs) else inputs


def _find(name: str) -> Network:
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; choose from {sorted(NETWORKS)}")
    return NETWORKS[name]
