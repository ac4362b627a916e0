"""The transformer block that all token networks share."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class Block(nn.Module):
    """Pre-norm transformer block."""

    num_heads: int
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch tokens width"],
        active: Bool[Array, "batch tokens"] | None = None,
        *,
        last: int | None = None,
    ) -> Float[Array, "batch asked width"]:
        """Lets tokens attend to each other.

        Args:
            x: tokens.
            active: tokens that are attended to; None for all.
            last: number of tokens at the end whose features are computed; None for all.
        """
        batch, count, width = x.shape
        # Batch and token axes are merged: XLA's gradients are faster on CPU this way.
        x = x.reshape(-1, width)
        y = nn.LayerNorm(dtype=self.dtype)(x)

        def asked(tokens: Array) -> Array:
            if last is None:
                return tokens
            return tokens.reshape(batch, count, width)[:, -last:].reshape(-1, width)

        query, key, value = (
            nn.Dense(width, dtype=self.dtype, name=name)(seen).reshape(
                batch, -1, self.num_heads, width // self.num_heads
            )
            for name, seen in (("query", asked(y)), ("key", y), ("value", y))
        )
        x = asked(x)
        y = attend(query, key, value, active)
        x = x + nn.Dense(width, dtype=self.dtype, name="attended")(y.reshape(x.shape))
        y = nn.LayerNorm(dtype=self.dtype)(x)
        # Computed again for the gradient, which takes less time than to keep parts.
        y = jax.checkpoint(nn.gelu)(
            nn.Dense(4 * width, dtype=self.dtype, name="wide")(y)
        )
        x = x + nn.Dense(width, dtype=self.dtype, name="narrow")(y)
        return x.reshape(batch, -1, width)


def attend(
    query: Float[Array, "batch targets heads features"],
    key: Float[Array, "batch tokens heads features"],
    value: Float[Array, "batch tokens heads features"],
    active: Bool[Array, "batch tokens"] | None = None,
) -> Float[Array, "batch targets heads features"]:
    """Softmax attention over the `active` tokens; the mean of all if none is active.

    Equal to `jax.nn.dot_product_attention`, but weights are divided by their sum after
    the product with the values, and inactive tokens get a score of about the lowest
    float. There are fewer passes over arrays of (targets, tokens), which take much of
    the time of a training step on CPU.
    """
    exact = jnp.promote_types(query.dtype, jnp.float32)
    query = query * query.shape[-1] ** -0.5
    score = jnp.einsum("bthd,bshd->bhts", query, key, preferred_element_type=exact)
    if active is not None:
        lowest = 0.7 * jnp.finfo(exact).min
        score = score + jnp.where(active, 0.0, lowest)[:, None, None, :]
    largest = jax.lax.stop_gradient(score.max(axis=-1, keepdims=True))
    weight = jnp.exp(score - largest)
    total = weight.sum(axis=-1, keepdims=True)
    mean = jnp.einsum(
        "bhts,bshd->bhtd",
        weight.astype(value.dtype),
        value,
        preferred_element_type=exact,
    )
    return (mean / total).swapaxes(1, 2).astype(value.dtype)
