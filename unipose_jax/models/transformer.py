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
    ):
        """All tokens attend to the `active` tokens; None means that all are active."""
        batch, count, width = x.shape
        mask = None if active is None else active[:, None, None, :]
        # Batch and token axes are merged: XLA's gradients are faster on CPU this way.
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
