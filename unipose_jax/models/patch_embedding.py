"""Tokens of point clouds: farthest-point samples and features of their surroundings."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.models import point_patches

BANDWIDTHS = (0.08, 0.20)  # metres: a limb's thickness, and a limb
NUM_FREQUENCIES = 64  # random frequencies of the patch features


class Patches(NamedTuple):
    """Tokens of clouds, by `PatchEmbedding`, which the network need not compute."""

    features: Array  # (batch, frames, patches, width)
    centers: Array  # (batch, frames, patches, 3), metres, camera frame


def _frequencies() -> Float[Array, "3 waves"]:
    """Fixed random frequencies, radians per metre, at the scales of the windows."""
    draws = np.random.default_rng(0).standard_normal((3, NUM_FREQUENCIES))
    return jnp.asarray(
        draws / np.where(np.arange(NUM_FREQUENCIES) % 2, 0.06, 0.15), jnp.float32
    )


class PatchEmbedding(nn.Module):
    """Clouds to tokens: one token per patch, with the patch's centre."""

    num_patches: int
    width: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        xyz: Float[Array, "clouds points 3"],
        valid: Bool[Array, "clouds points"],
    ) -> tuple[Float[Array, "clouds patches width"], Float[Array, "clouds patches 3"]]:
        frequencies = _frequencies()

        def embed(xyz, valid):
            chosen = point_patches.sample_farthest_points(
                xyz, valid, count=self.num_patches
            )
            centers = xyz[chosen]
            features = point_patches.patch_features(
                xyz, valid, centers, frequencies=frequencies, bandwidths=BANDWIDTHS
            )
            return features, centers

        features, centers = jax.vmap(embed)(xyz, valid)
        x = features.astype(self.dtype)
        x = nn.gelu(nn.Dense(2 * self.width, dtype=self.dtype)(x))
        x = nn.Dense(self.width, dtype=self.dtype)(x)
        return nn.LayerNorm(dtype=self.dtype)(x), centers


def embed(
    network: Any,
    params: Mapping,
    points: Float[Array, "batch frames points 3"],
    valid: Bool[Array, "batch frames points"],
) -> Patches:
    """Tokens of clouds by a point network, for its argument `patches`.

    Each frame is centred at its own mean, so its tokens belong to any clip with it.

    Args:
        network: a `PointNet`.
        params: its parameters.
        points: metres, camera frame. Ignored, even if NaN, where not valid.
        valid: which points exist.
    """
    batch, frames, count, _ = points.shape
    points = jnp.where(valid[..., None], points, 0.0)
    total = jnp.maximum(valid.sum(-1), 1)[..., None, None]
    middle = points.sum(2, keepdims=True) / total
    local = jnp.where(valid[..., None], points - middle, 0.0)
    module = PatchEmbedding(network.num_patches, network.width, network.dtype)
    tokens: Any = module.apply(
        {"params": params["params"]["patches"]},
        local.reshape(batch * frames, count, 3),
        valid.reshape(batch * frames, count),
    )
    features, centers = tokens
    shape = (batch, frames, network.num_patches, -1)
    return Patches(features.reshape(shape), centers.reshape(shape) + middle)
