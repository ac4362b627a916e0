"""The colour crop beside the points, from the start of stage 1."""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    config.model.fusion = "rgb"
    return config
