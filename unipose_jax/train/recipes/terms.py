"""The table of loss terms: each name of `config.loss_weights` and what it computes.

A term of your own is one function and one line, from inside or outside the package:

    def head_is_up(estimate, batch, context):
        return jnp.maximum(estimate.xyz[..., HEAD, 1] - estimate.xyz[..., TORSO, 1], 0)

    terms.register("head_is_up", head_is_up)

and `config.loss_weights.head_is_up = 0.1`. `examples/own_loss.py` trains with one.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from unipose_jax import errors, reduction, skeleton
from unipose_jax.geometry import depth, transforms


@dataclasses.dataclass(frozen=True)
class Context:
    """What terms read beside the estimate and the batch.

    Attributes:
        scales: `config.loss`: the scales inside the terms, as attributes.
        skeleton: of the estimated joints.
        surface_depth: (batch, frames, joints), depth of the observed surface at each
            joint's pixel, metres; no gradient.
        on_surface: (batch, frames, joints), where that surface was found.
        cloud_depth: (batch, frames), mean depth of the cloud in the keypoint camera,
            metres.
    """

    scales: Any
    skeleton: skeleton.Skeleton
    surface_depth: Array
    on_surface: Array
    cloud_depth: Array


Loss = Callable[[Any, Mapping[str, Array], Context], Array | reduction.WeightedMean]


@dataclasses.dataclass(frozen=True)
class Term:
    """One row of the table.

    Attributes:
        loss: `(estimate, batch, context)` to penalties of any shape, which are averaged
            with equal weights, or to a `WeightedMean`.
        fields: batch fields that it reads beside the network's inputs, the keypoints
            (`OBSERVATIONS`) and the points. Only fields that some term of a run reads
            reach the devices.
    """

    loss: Loss
    fields: tuple[str, ...] = ()


TERMS: dict[str, Term] = {}
"""Every term by name."""


def register(name: str, loss: Loss, *, fields: tuple[str, ...] = ()) -> None:
    """Adds a term, to be weighted by `config.loss_weights.<name>`.

    Args:
        name: in the config and the logs.
        loss: as in `Term`.
        fields: as in `Term`.

    Raises:
        ValueError: another term has this name.
    """
    if name in TERMS and TERMS[name] != Term(loss, fields):
        raise ValueError(f"there is a loss term {name!r} already")
    TERMS[name] = Term(loss, fields)


def chosen(weights: Mapping[str, float]) -> tuple[str, ...]:
    """The terms whose weight is not zero, in the order in which they are summed.

    Raises:
        errors.BadInput: a weight names no term.
    """
    if unknown := sorted(set(weights) - set(TERMS)):
        raise errors.BadInput(
            f"config.loss_weights.{unknown[0]} names no loss term; use one of "
            f"{', '.join(sorted(TERMS))}"
        )
    return tuple(sorted(name for name, weight in weights.items() if weight))


def fields_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The batch fields that some terms read beside the usual ones."""
    return tuple(dict.fromkeys(field for n in names for field in TERMS[n].fields))


def make_terms(
    weights: Mapping[str, float], scales: Any, skel: skeleton.Skeleton
) -> Callable:
    """Builds `terms(estimate, batch) -> dict` of the terms whose weight is not zero.

    Args:
        weights: of the terms, by name.
        scales: `config.loss`.
        skel: of the estimated joints.

    Raises:
        errors.BadInput: a weight names no term.
    """
    names = chosen(weights)

    def terms(estimate, batch: Mapping[str, Array]) -> dict:
        context = make_context(estimate.xyz, batch, scales, skel)
        values = {name: TERMS[name].loss(estimate, batch, context) for name in names}
        return {name: _averaged(value) for name, value in values.items()}

    return terms


def make_context(xyz, batch: Mapping, scales, skel: skeleton.Skeleton) -> Context:
    """What depth says around the predicted joints; no gradient flows through it."""
    cloud = {"points": batch["points"], "points_valid": batch["points_valid"]}
    front, found = depth.surface_depth(xyz, **cloud, radius=scales.surface_radius)
    weight = batch["points_valid"].astype(jnp.float32)
    in_keypoint_camera = transforms.apply(
        batch["cam_from_points"][:, None],
        jnp.where(weight[..., None] > 0, batch["points"], 0.0),
    )
    total = jnp.maximum(weight.sum(-1), 1.0)
    return Context(
        scales=scales,
        skeleton=skel,
        surface_depth=front,
        on_surface=found,
        cloud_depth=(weight * in_keypoint_camera[..., 2]).sum(-1) / total,
    )


def _averaged(value: Array | reduction.WeightedMean) -> reduction.WeightedMean:
    if isinstance(value, reduction.WeightedMean):
        return value
    return reduction.weighted_mean(value)
