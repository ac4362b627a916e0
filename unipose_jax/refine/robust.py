"""Medians of what is known, and weights that let outliers go."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def masked_median(
    values: Float[Array, "*shape"], valid: Bool[Array, "*shape"], *, axis: int
) -> Float[Array, "*rest"]:
    """Lower median of the valid values along an axis; 0 where there is none.

    Args:
        values: any unit; ignored, even if NaN, where not `valid`.
        valid: which values count.
        axis: is reduced, and may have size 0.
    """
    if values.shape[axis] == 0:
        return jnp.zeros_like(jnp.sum(values, axis=axis))
    ordered = jnp.sort(jnp.where(valid, values, jnp.inf), axis=axis)
    count = jnp.sum(valid, axis=axis, keepdims=True)
    middle = jnp.maximum(count - 1, 0) // 2
    median = jnp.take_along_axis(ordered, middle, axis=axis)
    return jnp.squeeze(jnp.where(count > 0, median, 0.0), axis=axis)


def temporal_neighbors(values: Array, *, radius: int, fill: int = 0) -> Array:
    """Values before and after each, stacked: (2 reach + 1, time, ...).

    Args:
        values: (time, ...).
        radius: how many to each side.
        fill: stands for what lies beyond the ends.
    """
    ends = ((radius, radius),) + ((0, 0),) * (values.ndim - 1)
    padded = jnp.pad(values, ends, constant_values=fill)
    return jnp.stack([padded[i : i + len(values)] for i in range(2 * radius + 1)])


def grouped_median(
    values: Float[Array, " n"],
    valid: Bool[Array, " n"],
    group: Int[Array, " n"],
) -> tuple[Float[Array, " n"], Int[Array, " n"]]:
    """Lower median of the valid values of each group, and how many there are.

    Args:
        values: any unit; ignored, even if NaN, where not `valid`.
        valid: which values count.
        group: from 0 to n - 1.

    Returns:
        For groups 0 to n - 1: the median (0 where nothing is valid) and the count.
    """
    number = values.shape[0]
    ordered = jnp.where(valid, values, jnp.inf)
    order = jnp.lexsort((ordered, group))
    size = jnp.zeros(number, jnp.int32).at[group].add(1)
    count = jnp.zeros(number, jnp.int32).at[group].add(valid.astype(jnp.int32))
    first = jnp.cumsum(size) - size
    middle = jnp.clip(first + jnp.maximum(count - 1, 0) // 2, 0, number - 1)
    return jnp.where(count > 0, ordered[order][middle], 0.0), count


def student_t_weight(
    sq: Float[Array, "*shape"], *, degrees_of_freedom: float, num_components: int
) -> Float[Array, "*shape"]:
    r"""Weight (f + d) / (f + r^2) of a residual under Student's t distribution.

    Its negative log-likelihood is (f + d) / 2 log(1 + r^2 / f), whose gradient is that
    of weight r^2 / 2: iteratively reweighted least squares minimises it (Lange, Little
    and Taylor, Robust statistical modeling using the t distribution, JASA 1989).

    Args:
        sq: r^2, squared residuals in units of their scale.
        degrees_of_freedom: f, degrees of freedom; the lower, the sooner an outlier is
            let go.
        num_components: d, components of a residual.
    """
    return (degrees_of_freedom + num_components) / (degrees_of_freedom + sq)
