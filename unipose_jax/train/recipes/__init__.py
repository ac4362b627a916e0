"""One file per method: its network, and a batch to named loss terms."""

import ml_collections

from unipose_jax.train.recipes import stage1
from unipose_jax.train.recipes.recipe import Recipe

RECIPES = {"stage1": stage1.build}


def build(config: ml_collections.ConfigDict) -> Recipe:
    """The recipe that `config.recipe` names.

    Raises:
        ValueError: no such recipe.
    """
    if config.recipe not in RECIPES:
        raise ValueError(
            f"unknown recipe {config.recipe!r}; choose from {sorted(RECIPES)}"
        )
    return RECIPES[config.recipe](config)
