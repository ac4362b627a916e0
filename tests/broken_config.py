"""A config file with a mistake, for tests."""

import ml_collections


def get_config(mode: str = "full") -> ml_collections.ConfigDict:
    """Fails."""
    config = ml_collections.ConfigDict({"seed": 0})
    config.color = mode.color
    return config
