"""One file per method: its network, and a batch to named loss terms."""

import ml_collections

from unipose_jax import errors
from unipose_jax.train.recipes import config_checks, pose_machine, stage1, stage2, wsp
from unipose_jax.train.recipes.recipe import Recipe

RECIPES = {
    "pose_machine": pose_machine.build,
    "stage1": stage1.build,
    "stage2": stage2.build,
    "wsp": wsp.build,
}


def build(config: ml_collections.ConfigDict) -> Recipe:
    """The recipe that `config.recipe` names.

    Raises:
        errors.BadInput: no such recipe, or this device cannot compute its network.
    """
    if config.recipe not in RECIPES:
        raise errors.BadInput(
            f"unknown recipe {config.recipe!r}; choose from {sorted(RECIPES)}"
        )
    config_checks.device(config)
    return RECIPES[config.recipe](config)
