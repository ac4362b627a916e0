"""Distance to rays at the joint instead of at a reference depth."""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    config.loss.ray_at_reference = False
    return config
