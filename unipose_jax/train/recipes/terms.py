"""The table of loss terms: name, loss, batch fields, scale, weight, ramp.

A term of your own takes one function and one line, here or in your config file:

    def head_height(estimate, batch, context):
        return jnp.abs(estimate.xyz[..., 0, 1] - context.scale)

    terms.register("head_height", head_height, scale="head_height")

together with `config.loss_weights.head_height = 0.1` and, for the scale,
`config.loss.head_height = 0.2`. `examples/08_own_loss.py` is complete.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax

from unipose_jax import errors, reduction, skeleton
from unipose_jax.train import settings

Loss = Callable[[Any, Mapping[str, jax.Array], "Context"], Any]


@dataclasses.dataclass(frozen=True)
class Context:
    """What a loss gets besides the network's estimate and the batch.

    Attributes:
        scale: value of the setting in `config.loss` that the term names; None if it
            names none.
        scales: all of `config.loss`.
        skeleton: of the joints.
        surface: measured depth around the estimated joints, for the terms of UniPose.
    """

    scale: Any
    scales: Mapping[str, Any]
    skeleton: skeleton.Skeleton
    surface: Mapping[str, jax.Array] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Definition:
    """A loss, the batch fields it reads, and its setting in `config.loss`."""

    loss: Loss
    fields: tuple[str, ...] = ()
    scale: str = ""


@dataclasses.dataclass(frozen=True)
class Term:
    """A row of the objective of one run.

    Attributes:
        name: in `config.loss_weights` and in the log.
        loss: `(estimate, batch, context)` returns a `WeightedMean`, or an array whose
            mean is the term.
        fields: batch fields that `loss` reads; they reach the devices.
        scale: value of its setting in `config.loss`, or None.
        weight: at the end of the ramp.
        ramped: whether the weight rises from 0.
    """

    name: str
    loss: Loss
    fields: tuple[str, ...]
    scale: Any
    weight: float
    ramped: bool


@dataclasses.dataclass(frozen=True)
class Objective:
    """The terms of a run whose weights are not zero, sorted by name.

    Attributes:
        terms: the rows.
        scales: all of `config.loss`.
        ramp_start: share of the run at which ramped weights begin to rise.
        ramp_end: share of the run at which they are full.
    """

    terms: tuple[Term, ...]
    scales: Mapping[str, Any]
    ramp_start: float
    ramp_end: float

    def __contains__(self, name: str) -> bool:
        """Whether a term has a weight."""
        return any(term.name == name for term in self.terms)

    @property
    def fields(self) -> tuple[str, ...]:
        """The batch fields that the terms read, each once."""
        names = (name for term in self.terms for name in term.fields)
        return tuple(dict.fromkeys(names))

    def compute(
        self, estimate, batch: Mapping, skel: skeleton.Skeleton, surface: Mapping
    ) -> dict[str, reduction.WeightedMean]:
        """The mean of each term.

        Args:
            estimate: what the network returned.
            batch: with `fields`.
            skel: of the joints.
            surface: see `Context`.
        """
        found = {}
        for term in self.terms:
            context = Context(term.scale, self.scales, skel, surface)
            value = term.loss(estimate, batch, context)
            if not isinstance(value, reduction.WeightedMean):
                value = reduction.weighted_mean(value)
            found[term.name] = value
        return found


_REGISTERED: dict[str, Definition] = {}


def register(
    name: str, loss: Loss, *, fields: tuple[str, ...] = (), scale: str = ""
) -> None:
    """Adds a term to every recipe.

    Args:
        name: for `config.loss_weights`.
        loss: `(estimate, batch, context)` returns an array of any shape, whose mean is
            the term, or a `WeightedMean`.
        fields: the batch fields that `loss` reads (data_pipelines.ground.schema).
        scale: name of a setting in `config.loss`, which becomes `context.scale`.

    Raises:
        ValueError: another term has this name.
    """
    row = Definition(loss, tuple(fields), scale)
    if _REGISTERED.get(name, row) != row:
        raise ValueError(f"there is a loss term {name!r} already")
    _REGISTERED[name] = row


def make_objective(
    table: Mapping[str, Definition],
    weights: Mapping[str, float],
    scales: Mapping[str, Any],
    ramp: settings.RampSettings,
) -> Objective:
    """The objective of a run.

    Args:
        table: the terms of its recipe; registered terms are added.
        weights: `config.loss_weights`.
        scales: `config.loss`.
        ramp: `config.ramp`.

    Raises:
        errors.BadInput: a weight or the ramp names a term that does not exist, or a
            term's setting is not in `config.loss`.
    """
    known = {**_REGISTERED, **table}
    if unknown := set(ramp.terms) - set(weights):
        raise errors.BadInput(
            f"config.ramp.terms {sorted(unknown)} are not in config.loss_weights; "
            f"choose from {sorted(weights)}"
        )
    rows = []
    for name in sorted(name for name, weight in weights.items() if weight):
        if name not in known:
            raise errors.BadInput(
                f"config.loss_weights has {name!r}, which is no term of this recipe; "
                f"choose from {', '.join(sorted(known))}"
            )
        one = known[name]
        if one.scale and one.scale not in scales:
            raise errors.BadInput(
                f"config.loss.{one.scale} is missing, which the term {name} needs"
            )
        rows.append(
            Term(
                name=name,
                loss=one.loss,
                fields=one.fields,
                scale=scales[one.scale] if one.scale else None,
                weight=weights[name],
                ramped=name in ramp.terms,
            )
        )
    return Objective(tuple(rows), dict(scales), ramp.start, ramp.end)
