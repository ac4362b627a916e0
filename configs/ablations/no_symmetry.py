"""Without the `symmetry` term."""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    config.loss_weights.symmetry = 0.0
    return config
