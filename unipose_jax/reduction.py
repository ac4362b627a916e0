"""Weighted means that add over batches, devices and hosts."""

import dataclasses
from typing import Any

import jax
from jaxtyping import Bool, Float

from unipose_jax.geometry import arrays


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class WeightedMean:
    """A sum of weighted values and the sum of their weights; `a + b` adds both.

    Both fields have one shape: () for one mean, (joints,) for one per joint.
    """

    total: Any  # array: weighted sum of the values
    weight: Any  # array: sum of the weights

    def __add__(self, other: "WeightedMean") -> "WeightedMean":
        if not isinstance(other, WeightedMean):
            return NotImplemented
        return WeightedMean(self.total + other.total, self.weight + other.weight)

    def mean(self) -> Any:
        """Returns total / weight, and 0 where nothing was weighted."""
        xp = arrays.namespace(self.total, self.weight)
        some = self.weight > 0
        return xp.where(some, self.total / xp.where(some, self.weight, 1.0), 0.0)

    def psum(self, axis_name: str) -> "WeightedMean":
        """Returns the sum over all devices of a mapped axis."""
        return jax.lax.psum(self, axis_name)


def weighted_mean(
    values: Float[arrays.AnyArray, "*shape"],
    weights: Float[arrays.AnyArray, "*shape"] | None = None,
    where: Bool[arrays.AnyArray, "*shape"] | None = None,
    *,
    keep_last: bool = False,
) -> WeightedMean:
    """Weighted mean of the values inside `where`.

    Args:
        values: what is averaged, in any unit.
        weights: not negative; default: 1.
        where: entries that count; default: all. Others are left out of both sums, even
            if they are NaN.
        keep_last: keeps the last axis (one mean per joint or bone) instead of
            summing over all axes.

    Returns:
        The mean, not yet divided.
    """
    xp = arrays.namespace(values, weights, where)
    weights = xp.ones_like(values) if weights is None else weights
    if where is not None:
        values = xp.where(where, values, 0.0)
        weights = xp.where(where, weights, 0.0)
    axes = tuple(range(values.ndim - 1 if keep_last else values.ndim))
    total = xp.sum(values * weights, axis=axes)
    return WeightedMean(total, xp.sum(weights, axis=axes))
