"""Detection and correction of left/right swaps from neighbouring frames."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from unipose_jax.refine import residual_terms
from unipose_jax.skeleton import definitions

# Least gain in log-likelihood for a pair to count as swapped.
MARGIN = 4.0


@definitions.accepts_name
def detect_swaps(
    observed: Float[Array, "time joints 3"],
    expected: Float[Array, "time joints 3"],
    *,
    valid: Bool[Array, "time joints"],
    noise: Float[Array, "time joints"],
    skeleton: definitions.Skeleton,
) -> Bool[Array, "time joints"]:
    """Detects joints whose left and right are swapped.

    A pair is swapped if exchanging its two joints raises their log-likelihood around
    the expected positions (Student's t) by more than `MARGIN`.

    Args:
        observed: joints, metres.
        expected: joints predicted from neighbouring frames, metres.
        valid: False for joints that were not observed; their pairs are not swapped.
        noise: standard deviation of observed around expected joints, metres.
        skeleton: skeleton of the joints, with its left/right pairs.
    """
    mirror = np.asarray(skeleton.mirror)

    def cost(seen):
        sq = jnp.sum((seen - expected) ** 2, axis=-1) / noise**2
        half = 0.5 * (residual_terms.DEGREES_OF_FREEDOM + 3.0)
        return half * jnp.log1p(sq / residual_terms.DEGREES_OF_FREEDOM)

    gain = cost(observed) - cost(observed[:, mirror])
    gain = gain + gain[:, mirror]
    paired = jnp.asarray(mirror != np.arange(len(mirror)))[None]
    return (gain > MARGIN) & valid & valid[:, mirror] & paired


@definitions.accepts_name
def swap_sides(
    values: Shaped[Array, "time joints ..."],
    swapped: Bool[Array, "time joints"],
    *,
    skeleton: definitions.Skeleton,
) -> Shaped[Array, "time joints ..."]:
    """Exchanges left and right values where `swapped`."""
    mirrored = values[:, np.asarray(skeleton.mirror)]
    mask = swapped.reshape(swapped.shape + (1,) * (values.ndim - 2))
    return jnp.where(mask, mirrored, values)
