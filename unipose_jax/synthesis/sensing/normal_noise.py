"""Normal noise that is correlated in time, and its quantiles."""

import statistics

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def correlated(
    key: jax.Array, shape: tuple[int, ...], correlation: float
) -> Float[Array, "..."]:
    """Standard normal noise, first-order autoregressive along the first axis."""
    return correlate(jax.random.normal(key, shape), correlation)


def correlate(normal: Float[Array, "..."], correlation: float) -> Float[Array, "..."]:
    """Makes independent normal values autoregressive along the first axis."""
    steps = np.arange(normal.shape[0])
    lag = steps[:, None] - steps[None, :]
    decay = np.where(lag >= 0, float(correlation) ** np.maximum(lag, 0), 0.0)
    decay[:, 1:] *= np.sqrt(1.0 - correlation**2)
    weights = jnp.asarray(decay, normal.dtype)
    return jnp.einsum("ts,s...->t...", weights, normal, precision="highest")


def from_uniform(uniform: Float[Array, "..."]) -> Float[Array, "..."]:
    """Standard normal values from uniform ones in [0, 1), up to 4.9 deviations."""
    return 2.0**0.5 * jax.lax.erf_inv(
        jnp.clip(2.0 * uniform - 1.0, -1 + 1e-6, 1 - 1e-6)
    )


def quantile(share: float) -> float:
    """Quantile of the standard normal distribution for a `share` in [0, 1]."""
    if share in (0.0, 1.0):
        return float("inf") if share else float("-inf")
    return statistics.NormalDist().inv_cdf(share)
