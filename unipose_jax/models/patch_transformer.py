"""A small vision transformer: images as tokens of square patches.

Dosovitskiy et al., ICLR 2021 (arXiv 2010.11929), without a class token. It is meant for
small images on a few CPU cores, where matrix products are faster than convolutions. In
a depth image only patches of the person become tokens, with depth relative to the mean
of the patch.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.geometry import depth
from unipose_jax.models import transformer

_OCTAVES = 4  # of the sinusoids that encode a patch's position
_WAVELENGTH = 16.0  # of the first octave, patches
_PIXEL = 0.03  # metres, typical extent of a crop's pixel; converts depth to patches
_RELIEF = 0.1  # metres of depth within a patch that make one unit of the input
_RELIEF_LIMIT = 2.0  # units at which the input is clipped


class MaskedDepth(NamedTuple):
    """The person in depth images; depth is only used inside the mask."""

    relative_depth: Array  # (batch, height, width), metres from a reference depth
    mask: Array  # (batch, height, width) bool: pixels of the person


class FeatureGrids(NamedTuple):
    """Features of images on the grid of patches."""

    early: Array  # (batch, rows, columns, features), before the last block
    late: Array  # (batch, rows, columns, features), after the last block
    active: Array | None  # (batch, rows, columns) bool: patch is a token; None is all


class PatchTransformer(nn.Module):
    """Features of images, one token for each patch.

    Attributes:
        patch: side of a patch, pixels.
        window: side of the window that a token sees, pixels, centred at its patch.
        width: features per token.
        num_blocks: transformer blocks; all tokens of an image attend to each other.
        num_heads: attention heads per block.
        keep: number of tokens of an image with a `MaskedDepth`: the patches with most
            mask pixels.
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
        """Computes features.

        Args:
            images: about zero mean and unit variance; sides are multiples of `patch`.
            surface: if given, the input in place of `images`. Patches without a mask
                pixel have zero features.
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
            width = tokens.shape[2]
            empty = jnp.zeros((batch * rows * columns, width), tokens.dtype)
            place = cells + rows * columns * jnp.arange(batch)[:, None]
            # Each cell has at most one token.
            spread = empty.at[place.reshape(-1)].set(tokens.reshape(-1, width))
            return spread.reshape(batch, rows, columns, width)

        seen = None if active is None else grid(active[..., None])[..., 0]
        return FeatureGrids(grid(norm(early)), grid(norm(x)), seen)

    def _windows(
        self,
        images: Float[Array, "batch height width channels"],
        cells: Int[Array, "batch tokens"],
    ) -> Float[Array, "batch tokens window window channels"]:
        """Windows around patches; 0 outside the image."""
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
        """Windows of depth relative to the patch's mean depth, and of the mask."""
        shown = jnp.stack([surface.relative_depth, surface.mask], axis=-1)
        around = self._windows(shown, cells)
        inside = around[..., 1]
        relief = (around[..., 0] - mean[..., None, None]) / _RELIEF
        relief = jnp.clip(relief, -_RELIEF_LIMIT, _RELIEF_LIMIT)
        return jnp.stack([jnp.where(inside > 0, relief, 0.0), inside], axis=-1)

    def _embed(self, windows: Array, place: Array) -> Array:
        """Tokens (batch, tokens, width) from windows and their positions."""
        batch, count = windows.shape[:2]
        # Batch and token axes are merged: XLA's gradients are faster on CPU this way.
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
    """Selects the patches with most mask pixels.

    Args:
        surface: depth and mask of images whose sides are multiples of `patch`.
        patch: side of a patch, pixels.
        count: patches to select; at most the number of patches of an image.

    Returns:
        Row-major indices of the patches; the mean relative depth of each, metres, 0
        without a mask pixel; and whether the patch has a mask pixel.
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
    """Positions (column, row) of patches, row by row, in patches from the middle."""
    centers = depth.pixel_centers(rows, columns).reshape(-1, 2)
    return centers - jnp.array([[columns, rows]]) / 2.0


def sinusoidal_encoding(
    place: Float[Array, "*batch axes"],
) -> Float[Array, "*batch features"]:
    """Encodes positions, in patches, by sines, cosines and a linear term."""
    phase = jnp.concatenate(
        [2.0 * jnp.pi * 2.0**n / _WAVELENGTH * place for n in range(_OCTAVES)], axis=-1
    )
    near = 2.0 * place / _WAVELENGTH
    return jnp.concatenate([jnp.sin(phase), jnp.cos(phase), near], axis=-1)
