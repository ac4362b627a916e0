"""One file per method: its network, and the function from a batch to loss terms."""

from collections.abc import Mapping
from typing import Any

from data_pipelines.ground import settings
from unipose_jax import errors
from unipose_jax.train.recipes import config_checks, pose_machine, stage1, stage2, wsp
from unipose_jax.train.recipes.recipe import Recipe

RECIPES = {
    "pose_machine": pose_machine.build,
    "stage1": stage1.build,
    "stage2": stage2.build,
    "wsp": wsp.build,
}


def build(values: Mapping[str, Any], data: settings.DataSettings) -> Recipe:
    """The recipe that the values of a stage's config name.

    Called once per stage, by `plan.resolve`.

    Raises:
        errors.BadInput: no such recipe, a setting that it does not have, or a network
            that this device cannot compute.
    """
    name = values["recipe"]
    if name not in RECIPES:
        raise errors.BadInput(
            f"unknown recipe {name!r}; choose from {', '.join(sorted(RECIPES))}"
        )
    config_checks.check_dtype(values["model"])
    return RECIPES[name](values, data)
