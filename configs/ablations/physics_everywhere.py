"""Physics moves joints with keypoints as much as those without."""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    config.loss.physics_on_seen = 1.0
    return config
