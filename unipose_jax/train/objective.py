"""The objective: a weighted sum of named terms, on one device or on many."""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from unipose_jax import reduction

Weight = float | Float[Array, ""]


def weighted_sum(
    terms: Mapping[str, reduction.WeightedMean], weights: Mapping[str, Weight]
) -> Float[Array, ""]:
    """Weighted sum of the means of the terms.

    The divisor of each mean is constant for the gradient, as in `device_share`.

    Args:
        terms: by name; terms without an entry in `weights` add nothing.
        weights: by name; may be traced scalars (ramps).

    Raises:
        ValueError: there is no term for an entry of `weights`.
    """
    return _sum_means(terms, weights, lambda divisor: divisor)


def device_share(
    terms: Mapping[str, reduction.WeightedMean],
    weights: Mapping[str, Weight],
    axis_name: str,
) -> Float[Array, ""]:
    """One device's share of `weighted_sum` over all devices; shares and gradients add.

    Each device's sum is divided by the weight of all devices, a constant for the
    gradient. The mean of the devices' means would be wrong for devices with different
    numbers of visible joints.

    Args:
        terms: of this device, by name; terms without an entry in `weights` add nothing.
        weights: by name; may be traced scalars (ramps).
        axis_name: of the mapped axis; add shares and gradients with `psum` over it.

    Raises:
        ValueError: there is no term for an entry of `weights`.
    """
    everywhere = functools.partial(jax.lax.psum, axis_name=axis_name)
    return _sum_means(terms, weights, everywhere)


def _sum_means(
    terms: Mapping[str, reduction.WeightedMean],
    weights: Mapping[str, Weight],
    divisor_from: Callable[[Array], Array],
) -> Float[Array, ""]:
    """Sum of `weight * total / divisor_from(term's weight)` over `weights`."""
    parts = []
    for name, weight in weights.items():
        if name not in terms:
            raise ValueError(f"no loss term {name!r} to weigh; terms: {sorted(terms)}")
        term = terms[name]
        divisor = divisor_from(jax.lax.stop_gradient(term.weight))
        parts.append(weight * reduction.WeightedMean(term.total, divisor).mean())
    return sum(parts, start=jnp.zeros(()))
