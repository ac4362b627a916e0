"""The transformer block that all networks of tokens share."""

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
    ):
        """`active` tokens are seen by all; None are all of them."""
        batch, count, width = x.shape
        mask = None if active is None else active[:, None, None, :]
        # All tokens in one row: of batches, XLA's CPU computes gradients slowly.
        x = x.reshape(-1, width)
        y = nn.LayerNorm(dtype=self.dtype)(x)
        query, key, value = (
            nn.Dense(width, dtype=self.dtype, name=name)(y).reshape(
                batch, count, self.num_heads, -1
            )
            for name in ("query", "key", "value")
        )
        y = jax.nn.dot_product_attention(query, key, value, mask=mask)
        x = x + nn.Dense(width, dtype=self.dtype, name="attended")(y.reshape(x.shape))
        y = nn.LayerNorm(dtype=self.dtype)(x)
        y = nn.gelu(nn.Dense(4 * width, dtype=self.dtype, name="wide")(y))
        x = x + nn.Dense(width, dtype=self.dtype, name="narrow")(y)
        return x.reshape(batch, count, width)
