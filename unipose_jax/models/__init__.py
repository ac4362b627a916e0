"""Flax networks, by the name that configs use."""

from collections.abc import Mapping

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

NETWORKS = {
    "color_anchor_net": ColorAnchorNet,
    "depth_anchor_net": DepthAnchorNet,
    "point_net": PointNet,
    "pose_machine": PoseMachine,
    "rank_net": RankNet,
}

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
    "FUSIONS",
    "KEYPOINT_FIELDS",
    "NETWORKS",
    "IMAGE_FIELDS",
    "POINT_FIELDS",
    "ColorAnchorNet",
    "CropEstimate",
    "DepthAnchorNet",
    "LiftEstimate",
    "PointNet",
    "PoseEstimate",
    "PoseMachine",
    "RankEstimate",
    "RankNet",
    "build",
    "input_fields",
    "modalities",
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


def input_fields(config: Mapping) -> tuple[str, ...]:
    """The batch fields that the network of a config takes, by keyword.

    Args:
        config: as of `build`.

    Raises:
        ValueError: no such network, or no such fusion.
    """
    if config["name"] == "depth_anchor_net":
        return CROP_FIELDS["depth"]
    if config["name"] == "color_anchor_net":
        return CROP_FIELDS["rgb"]
    if config["name"] == "rank_net":
        return IMAGE_FIELDS
    if config["name"] == "pose_machine":
        looks = config["features"] != "keypoints"
        return KEYPOINT_FIELDS + (("color_crop", "color_crop_matrix") if looks else ())
    if config["name"] != "point_net":
        raise ValueError(
            f"unknown network {config['name']!r}; choose from {sorted(NETWORKS)}"
        )
    images = modalities(config.get("fusion", "none"))[1:]
    return sum((CROP_FIELDS[name] for name in images), POINT_FIELDS)
