"""What a method hands to the training loop."""

import dataclasses
from collections.abc import Callable

import flax.linen as nn


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A method: its network and how a batch becomes named loss terms.

    Both functions of terms are `(apply_fn, params, batch, keys) -> dict` of
    `WeightedMean`, with one key per example.

    Attributes:
        network: Flax module.
        inputs: batch fields that the network takes, by keyword.
        fields: batch fields that the terms need; nothing else reaches the devices.
        train_terms: with augmentation.
        validation_terms: without.
    """

    network: nn.Module
    inputs: tuple[str, ...]
    fields: tuple[str, ...]
    train_terms: Callable
    validation_terms: Callable
