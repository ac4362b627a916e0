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
        taught: whether the fields of `train.teacher` are among `fields`.
        at_test_time: `(params, **inputs) -> estimate` that stands in for the network
            in tests; None is the network.
        measure: `(estimate, batch) -> dict of WeightedMean` that validation shows
            beside the loss; None measures errors of poses.
    """

    network: nn.Module
    inputs: tuple[str, ...]
    fields: tuple[str, ...]
    train_terms: Callable
    validation_terms: Callable
    taught: bool = False
    at_test_time: Callable | None = None
    measure: Callable | None = None
