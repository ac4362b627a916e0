"""Means that can be added: over terms, batches, devices and hosts."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class WeightedMean:
    """A sum of weighted values and the sum of their weights; `a + b` adds both.

    Both fields have one shape: () for one mean, (joints,) for one per joint.
    """

    total: Array  # weighted sum of the values
    weight: Array  # sum of the weights

    def __add__(self, other: "WeightedMean") -> "WeightedMean":
        if not isinstance(other, WeightedMean):
            return NotImplemented
        return WeightedMean(self.total + other.total, self.weight + other.weight)

    def mean(self) -> Array:
        """Returns total / weight, and 0 where nothing was weighted."""
        some = self.weight > 0
        return jnp.where(some, self.total / jnp.where(some, self.weight, 1.0), 0.0)

    def psum(self, axis_name: str) -> "WeightedMean":
        """Returns the sum over all devices of a mapped axis."""
        return jax.lax.psum(self, axis_name)


def weighted_mean(
    values: Float[Array, "*shape"],
    weight: Float[Array, "*shape"],
    mask: Bool[Array, "*shape"],
    *,
    keep_last: bool = False,
) -> WeightedMean:
    """Weighted mean of the values that the mask leaves in.

    Args:
        values: what is averaged, in any unit.
        weight: not negative.
        mask: False removes an entry from both sum and weight, even if it is NaN.
        keep_last: keeps the last axis (one mean per joint or bone) instead of
            summing over all axes.

    Returns:
        The mean, not yet divided.
    """
    weight = jnp.where(mask, weight, 0.0)
    total = jnp.where(mask, values, 0.0) * weight
    axes = tuple(range(values.ndim - 1 if keep_last else values.ndim))
    return WeightedMean(jnp.sum(total, axis=axes), jnp.sum(weight, axis=axes))
