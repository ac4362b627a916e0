"""Images as tokens of square patches: a small vision transformer.

Of Dosovitskiy et al., ICLR 2021 (arXiv 2010.11929), without a class token, for small
images on a few CPU cores: products of matrices, where convolutions are slow. In a depth
image it looks at the patches of the person alone, each for its own relief.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.geometry import depth
from unipose_jax.models import transformer

_OCTAVES = 4  # of the sinusoids that encode a patch's place ...
_WAVELENGTH = 16.0  # ... from so many patches on
_PIXEL = 0.03  # metres that a pixel of a crop spans, about: depth counted in patches
_RELIEF = 0.1  # metres within a patch that make one unit of the input ...
_RELIEF_LIMIT = 2.0  # ... and the most units


class MaskedDepth(NamedTuple):
    """The person in depth images. Depth counts where the person is, and only there."""

    relative_depth: Array  # (batch, height, width), metres from a reference depth
    mask: Array  # (batch, height, width) bool: where the person is


class FeatureGrids(NamedTuple):
    """Features of images, one row for each patch."""

    early: Array  # (batch, rows, columns, features), before the last block
    late: Array  # the same after it
    active: Array | None  # (batch, rows, columns) bool: looked at; None is everywhere


class PatchTransformer(nn.Module):
    """Features of images, one token for each patch.

    Attributes:
        patch: side of a patch, pixels.
        window: side of what a token sees around its patch, pixels: as much more, on
            each side, as on the other.
        width: features of a token.
        num_blocks: transformer blocks; all tokens of an image attend to each other.
        num_heads: attention heads per block.
        keep: tokens of an image with a `MaskedDepth`, those that show most of it.
        dtype: of activations.
    """

    patch: int
    window: int
    width: int
    num_blocks: int
    num_heads: int
    keep: int
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "batch height width channels"],
        surface: MaskedDepth | None = None,
    ) -> FeatureGrids:
        """Looks at images.

        Args:
            images: about zero mean and unit variance; sides are multiples of `patch`.
            surface: shown instead of `images`, where it is known. Patches without any
                of it have features of 0.
        """
        batch, height, width, _ = images.shape
        rows, columns = height // self.patch, width // self.patch
        places = patch_positions(rows, columns)
        if surface is None:
            cells = jnp.broadcast_to(
                jnp.arange(rows * columns), (batch, rows * columns)
            )
            x, place, active = self._windows(images, cells), places[cells], None
        else:
            cells, mean, active = top_patches(
                surface, patch=self.patch, count=min(self.keep, rows * columns)
            )
            x = self._local_depth(surface, cells, mean)
            away = mean / (_PIXEL * self.patch)
            place = jnp.concatenate([places[cells], away[..., None]], axis=-1)
        x = self._embed(x, place)
        early = x
        for _ in range(self.num_blocks):
            early, x = x, transformer.Block(self.num_heads, self.dtype)(x, active)
        norm = nn.LayerNorm(dtype=self.dtype)

        def grid(tokens):
            tokens = tokens if active is None else tokens * active[..., None]
            empty = jnp.zeros((batch, rows * columns, *tokens.shape[2:]), tokens.dtype)
            # No two tokens are of one cell.
            spread = jax.vmap(lambda e, c, t: e.at[c].set(t))(empty, cells, tokens)
            return spread.reshape(batch, rows, columns, *tokens.shape[2:])

        seen = None if active is None else grid(active[..., None])[..., 0]
        return FeatureGrids(grid(norm(early)), grid(norm(x)), seen)

    def _windows(
        self,
        images: Float[Array, "batch height width channels"],
        cells: Int[Array, "batch tokens"],
    ) -> Float[Array, "batch tokens window window channels"]:
        """The windows about patches; 0 beyond the image."""
        columns = images.shape[2] // self.patch
        beyond = (self.window - self.patch) // 2
        around = (beyond, beyond)
        padded = jnp.pad(images, ((0, 0), around, around, (0, 0)))
        inner = jnp.arange(self.window)
        row = (cells // columns * self.patch)[..., None, None] + inner[:, None][
            None, None
        ]
        column = (cells % columns * self.patch)[..., None, None] + inner[
            None, None, None
        ]
        return jax.vmap(lambda image, v, u: image[v, u])(padded, row, column)

    def _local_depth(
        self,
        surface: MaskedDepth,
        cells: Int[Array, "batch tokens"],
        mean: Float[Array, "batch tokens"],
    ) -> Float[Array, "batch tokens window window 2"]:
        """The surface about patches: against the patch's own depth, and where it is."""
        shown = jnp.stack([surface.relative_depth, surface.mask], axis=-1)
        around = self._windows(shown, cells)
        inside = around[..., 1]
        relief = (around[..., 0] - mean[..., None, None]) / _RELIEF
        relief = jnp.clip(relief, -_RELIEF_LIMIT, _RELIEF_LIMIT)
        return jnp.stack([jnp.where(inside > 0, relief, 0.0), inside], axis=-1)

    def _embed(self, windows: Array, place: Array) -> Array:
        """Tokens (batch, tokens, width) of windows and of where they are."""
        batch, count = windows.shape[:2]
        # All tokens in one row: of batches, XLA's CPU computes gradients slowly.
        x = windows.reshape(batch * count, -1).astype(self.dtype)
        x = nn.gelu(nn.Dense(2 * self.width, dtype=self.dtype, name="patch_in")(x))
        x = nn.Dense(self.width, dtype=self.dtype, name="patch_out")(x)
        x = nn.LayerNorm(dtype=self.dtype, name="patch_norm")(x)
        y = sinusoidal_encoding(place.reshape(batch * count, -1)).astype(self.dtype)
        y = nn.gelu(nn.Dense(self.width, dtype=self.dtype, name="place_in")(y))
        x = x + nn.Dense(self.width, dtype=self.dtype, name="place_out")(y)
        return x.reshape(batch, count, self.width)


def top_patches(
    surface: MaskedDepth, *, patch: int, count: int
) -> tuple[
    Int[Array, "batch count"], Float[Array, "batch count"], Bool[Array, "batch count"]
]:
    """The patches that show most of a surface.

    Args:
        surface: of images whose sides are multiples of `patch`.
        patch: side of a patch, pixels.
        count: patches of an image; at most those that it has.

    Returns:
        The patches, counted row by row; the mean of the surface in each, 0 where there
        is none; and whether there is any.
    """
    batch, height, width = surface.mask.shape
    shape = (batch, height // patch, patch, width // patch, patch)
    pixels = surface.mask.reshape(shape).sum(axis=(2, 4)).reshape(batch, -1)
    shown = jnp.where(surface.mask, surface.relative_depth, 0.0)
    total = shown.reshape(shape).sum(axis=(2, 4)).reshape(batch, -1)
    pixels, cells = jax.lax.top_k(pixels, count)
    mean = jnp.take_along_axis(total, cells, axis=1) / jnp.maximum(pixels, 1)
    return cells, mean, pixels > 0


def patch_positions(rows: int, columns: int) -> Float[Array, "patches 2"]:
    """Where each patch is, row by row, counted in patches from the middle."""
    centers = depth.pixel_centers(rows, columns).reshape(-1, 2)
    return centers - jnp.array([[columns, rows]]) / 2.0


def sinusoidal_encoding(
    place: Float[Array, "*batch axes"],
) -> Float[Array, "*batch features"]:
    """Places, counted in patches, as sines and cosines, and as they are."""
    phase = jnp.concatenate(
        [2.0 * jnp.pi * 2.0**n / _WAVELENGTH * place for n in range(_OCTAVES)], axis=-1
    )
    near = 2.0 * place / _WAVELENGTH
    return jnp.concatenate([jnp.sin(phase), jnp.cos(phase), near], axis=-1)
