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
        mask = None if active is None else active[:, None, None, :]
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
        y = jax.nn.dot_product_attention(query, key, value, mask=mask)
        x = x + nn.Dense(width, dtype=self.dtype, name="attended")(y.reshape(x.shape))
        y = nn.LayerNorm(dtype=self.dtype)(x)
        y = nn.gelu(nn.Dense(4 * width, dtype=self.dtype, name="wide")(y))
        x = x + nn.Dense(width, dtype=self.dtype, name="narrow")(y)
        return x.reshape(batch, -1, width)
