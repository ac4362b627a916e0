"""A 2D detector with 6 px of noise at 320x240, instead of 3."""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    config.data.scene.detector.noise = 6.0
    return config
