"""Temporal networks: features of each frame to features of each frame.

All have one interface, `core(x: (batch, frames, width)) -> (batch, frames, width)`, so
that they are interchangeable.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

_DILATIONS = (1, 3, 9)  # of successive convolutions over three frames: 27 frames


class BidirectionalRecurrent(nn.Module):
    """A pass forward in time, then one over the reversed sequence, `depth` times.

    As in K. Wang et al., T-PAMI 2019, the second pass reads the output of the first.
    Here each pass also has a residual connection.
    """

    width: int
    depth: int
    cell: Callable[..., nn.RNNCellBase]
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch frames width"]
    ) -> Float[Array, "batch frames width"]:
        for number in range(self.depth):
            for direction in ("forward", "reversed"):
                cell = self.cell(self.width, dtype=self.dtype)
                turned = direction == "reversed"
                name = f"{direction}_{number}"
                read = nn.LayerNorm(dtype=self.dtype, name=f"norm_{name}")(x)
                walk = nn.RNN(cell, reverse=turned, keep_order=True, name=name)
                x = x + jnp.asarray(walk(read))
        return x


class TemporalConvolutions(nn.Module):
    """Residual blocks of dilated convolutions (D. Pavllo et al., CVPR 2019).

    Sequences are padded by repeating the first and the last frame.
    """

    width: int
    depth: int
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch frames width"]
    ) -> Float[Array, "batch frames width"]:
        for number in range(self.depth):
            dilation = _DILATIONS[number % len(_DILATIONS)]
            y = nn.LayerNorm(dtype=self.dtype)(x)
            y = jnp.pad(y, ((0, 0), (dilation, dilation), (0, 0)), mode="edge")
            # Three shifted frames side by side: the convolution is one matrix product.
            frames = x.shape[1]
            shifted = [y[:, i * dilation : i * dilation + frames] for i in range(3)]
            y = nn.Dense(self.width, dtype=self.dtype)(jnp.concatenate(shifted, -1))
            x = x + nn.Dense(self.width, dtype=self.dtype)(nn.gelu(y))
        return x


class TemporalAttention(nn.Module):
    """Pre-norm transformer blocks with sinusoidal position encoding of frames."""

    width: int
    depth: int
    num_heads: int = 4
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch frames width"]
    ) -> Float[Array, "batch frames width"]:
        x = x + sinusoidal_encoding(x.shape[1], self.width)[None].astype(x.dtype)
        for _ in range(self.depth):
            y = nn.LayerNorm(dtype=self.dtype)(x)
            x = x + nn.MultiHeadDotProductAttention(self.num_heads, dtype=self.dtype)(y)
            y = nn.LayerNorm(dtype=self.dtype)(x)
            y = nn.Dense(2 * self.width, dtype=self.dtype)(y)
            x = x + nn.Dense(self.width, dtype=self.dtype)(nn.gelu(y))
        return x


CORES = ("lstm", "gru", "convolutions", "attention")


def build(kind: str, *, width: int, depth: int, dtype: jnp.dtype) -> nn.Module:
    """Builds the temporal network `kind`.

    Args:
        kind: one of `CORES`.
        width: channels.
        depth: pairs of passes, or blocks.
        dtype: of the activations.

    Raises:
        ValueError: `kind` is not one of `CORES`.
    """
    sizes: dict[str, Any] = {"width": width, "depth": depth, "dtype": dtype}
    if kind == "lstm":
        return BidirectionalRecurrent(cell=nn.OptimizedLSTMCell, **sizes)
    if kind == "gru":
        return BidirectionalRecurrent(cell=nn.GRUCell, **sizes)
    if kind == "convolutions":
        return TemporalConvolutions(**sizes)
    if kind == "attention":
        return TemporalAttention(**sizes)
    raise ValueError(f"unknown core {kind!r}; choose from {', '.join(CORES)}")


def sinusoidal_encoding(frames: int, width: int) -> Float[Array, "frames width"]:
    """Sines and cosines of the frame number, at wavelengths from 6 to 600 frames."""
    rate = jnp.exp(-jnp.linspace(0.0, jnp.log(100.0), width // 2))
    phase = jnp.arange(frames)[:, None] * rate[None, :]
    return jnp.concatenate([jnp.sin(phase), jnp.cos(phase)], axis=-1)
