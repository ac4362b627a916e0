"""Images as tokens of square patches: a small vision transformer.

Of Dosovitskiy et al., ICLR 2021 (arXiv 2010.11929), without a class token, for small
images on a few CPU cores: products of matrices, where convolutions are slow.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from unipose_jax.geometry import depth
from unipose_jax.models import transformer

_OCTAVES = 4  # of the sinusoids that encode a patch's place ...
_WAVELENGTH = 16.0  # ... from so many patches on


class PatchTransformer(nn.Module):
    """Features of images, one token for each patch.

    Attributes:
        patch: side of a patch, pixels.
        width: features of a token.
        num_blocks: transformer blocks; all tokens of an image attend to each other.
        num_heads: attention heads per block.
        dtype: of activations.
    """

    patch: int
    width: int
    num_blocks: int
    num_heads: int
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self, images: Float[Array, "batch height width channels"]
    ) -> tuple[
        Float[Array, "batch rows columns features"],
        Float[Array, "batch rows columns features"],
    ]:
        """Features before the last block, and after it.

        Args:
            images: about zero mean and unit variance; sides are multiples of `patch`.
        """
        batch, height, width, channels = images.shape
        rows, columns = height // self.patch, width // self.patch
        x = images.reshape(batch, rows, self.patch, columns, self.patch, channels)
        x = x.transpose(0, 1, 3, 2, 4, 5).reshape(batch * rows * columns, -1)
        x = x.astype(self.dtype)
        x = nn.gelu(nn.Dense(2 * self.width, dtype=self.dtype, name="patch_in")(x))
        x = nn.Dense(self.width, dtype=self.dtype, name="patch_out")(x)
        place = nn.Dense(self.width, dtype=self.dtype, name="place")(
            encoded_places(rows, columns).astype(self.dtype)
        )
        x = x.reshape(batch, rows * columns, self.width) + place
        early = x
        for _ in range(self.num_blocks):
            early, x = x, transformer.Block(self.num_heads, self.dtype)(x)
        shape = (batch, rows, columns, self.width)
        norm = nn.LayerNorm(dtype=self.dtype)
        return norm(early).reshape(shape), norm(x).reshape(shape)


def encoded_places(rows: int, columns: int) -> Float[Array, "1 patches features"]:
    """Where each patch is, counted in patches from the middle: sines and cosines."""
    place = depth.pixel_centers(rows, columns).reshape(1, -1, 2)
    place = place - jnp.array([[[columns, rows]]]) / 2.0
    phase = jnp.concatenate(
        [2.0 * jnp.pi * 2.0**n / _WAVELENGTH * place for n in range(_OCTAVES)], axis=-1
    )
    near = 2.0 * place / _WAVELENGTH
    return jnp.concatenate([jnp.sin(phase), jnp.cos(phase), near], axis=-1)
