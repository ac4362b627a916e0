"""Stages of a config, made one at a time for tests."""

import pathlib

import ml_collections

from unipose_jax.train import plan
from unipose_jax.train.plan import stage_values


def values(config, modality, workdir) -> ml_collections.ConfigDict:
    """The values of one stage of a config."""
    found = stage_values.of_stage(config.to_dict(), modality, workdir)
    return ml_collections.ConfigDict(found)


def stage(config, folder=pathlib.Path("nowhere"), name="points"):
    """A stage from its own values, in a folder."""
    return plan.make_stage(config, folder, name)


def recipe(config):
    """The recipe of a stage's values."""
    return stage(config).recipe


def keep_one_term(config) -> None:
    """Leaves one loss term, for tests of other things: each takes time to compile."""
    for name in config.loss_weights:
        config.loss_weights[name] = float(name == "point_to_ray")
