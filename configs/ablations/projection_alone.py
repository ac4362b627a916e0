"""2D keypoints alone, by reprojection: neither physics nor the depth surface."""

import ml_collections

from configs.ablations import projection


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = projection.get_config(mode)
    for name in (*config.ramp.terms, "surface", "surface_hinge"):
        config.loss_weights[name] = 0.0
    return config
