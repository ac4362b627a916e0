"""2D keypoints alone, by their rays: neither physics nor the depth surface."""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    for name in (*config.ramp.terms, "surface", "surface_hinge"):
        config.loss_weights[name] = 0.0
    return config
