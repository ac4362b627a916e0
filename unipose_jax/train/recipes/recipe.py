"""What a method hands to the training loop."""

import dataclasses
from collections.abc import Callable

import flax.linen as nn


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A method: its network and how a batch becomes named loss terms.

    Terms are a dict of `WeightedMean` by name.

    Attributes:
        network: Flax module.
        inputs: batch fields that the network takes, by keyword.
        fields: batch fields that the terms need; nothing else reaches the devices.
        train_terms: `(apply_fn, params, batch, keys) -> terms`, with augmentation;
            one key per example.
        validation_terms: `(estimate, batch) -> terms` of what the network returned.
        needs_teacher: whether the fields of `train.teacher` are among `fields`.
        predict_fn: `(params, **inputs) -> estimate` that stands in for the network
            in tests; None is the network.
        metrics_fn: `(estimate, batch) -> dict of WeightedMean` that validation shows
            beside the loss; None measures errors of poses.
    """

    network: nn.Module
    inputs: tuple[str, ...]
    fields: tuple[str, ...]
    train_terms: Callable
    validation_terms: Callable
    needs_teacher: bool = False
    predict_fn: Callable | None = None
    metrics_fn: Callable | None = None
