"""Reprojection in pixels instead of the distance to rays in metres."""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    config.loss_weights.point_to_ray = 0.0
    # 1 m at 3 m is 48 px at 160 wide: the weight that gives both terms one gradient.
    config.loss_weights.reprojection = 1.0 / 48.0
    config.loss.reprojection_delta = 2.4  # pixels: 5 cm, as the ray term has
    return config
