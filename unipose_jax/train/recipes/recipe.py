"""The interface between a method and the training loop."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn

from unipose_jax.train.recipes import terms


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A method: its network and the function from a batch to named loss terms.

    Loss terms are a dict of `WeightedMean` by name.

    Attributes:
        network: Flax module.
        inputs: batch fields that the network takes, by keyword.
        fields: batch fields that reach the devices: the inputs and those of the terms.
        objective: the rows of the loss.
        train_terms: `(apply_fn, params, batch, keys) -> terms`, with augmentation;
            one key per example.
        validation_terms: `(estimate, batch) -> terms` of the network's output.
        validation_views: `(batch) -> [(inputs, targets), ...]`, batches that validation
            predicts from and compares with, one after the other; None is the batch
            itself.
        needs_teacher: whether `fields` holds the joints of a teacher.
        predict_fn: `(params, **inputs) -> estimate`, which replaces the network in
            tests; None is the network.
        metrics_fn: `(estimate, batch) -> dict of WeightedMean`, shown by validation
            besides the loss; None measures errors of poses.
        settings: typed settings of this method alone, which its evaluation reads.
    """

    network: nn.Module
    inputs: tuple[str, ...]
    fields: tuple[str, ...]
    objective: terms.Objective
    train_terms: Callable
    validation_terms: Callable
    validation_views: Callable | None = None
    needs_teacher: bool = False
    predict_fn: Callable | None = None
    metrics_fn: Callable | None = None
    settings: Any = None
