"""Image crops as tokens with 3D positions, to combine with patches of a point cloud.

The camera of a crop is a 3x4 matrix A that maps points (x, y, z, 1), in the frame of
the cloud, to pixels (u w, v w, w). This form covers depth and colour crops of one or
two cameras, and rotated, scaled or mirrored crops.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import depth, numerics, warp
from unipose_jax.models import backbones

_MIN_DEPTH = 0.1  # metres; points nearer to the camera or behind it have no pixel


class ImageTokens(nn.Module):
    """Computes tokens of crops, and image features at the pixels of given points.

    Attributes:
        width: features per token.
        grid: tokens along a side of the crop.
        backbone: one of `backbones.BACKBONES`.
        dtype: of activations.
    """

    width: int
    grid: int = 4
    backbone: str = "small"
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "crops size size channels"],
        pixel_from_xyz: Float[Array, "crops 3 4"],
        xyz: Float[Array, "crops points 3"],
    ) -> tuple[
        Float[Array, "crops tokens width"],
        Float[Array, "crops tokens 3"],
        Float[Array, "crops points width"],
    ]:
        """Computes tokens and point features.

        Args:
            images: about zero mean and unit variance; `size` is a multiple of `grid`
                cells of the backbone.
            pixel_from_xyz: A of each crop, in the frame of `xyz`, metres.
            xyz: points whose image features are sampled.

        Returns:
            Tokens; their positions, the point of each token's ray nearest to the
            origin; and the image features at the projection of each point, 0 outside
            the crop.
        """
        stride = backbones.stride_of(self.backbone)
        features = backbones.Backbone(self.backbone, self.dtype, name="backbone")(
            images
        ).late
        cells = features.shape[1]
        uv = project(pixel_from_xyz, xyz) / stride
        found = jax.vmap(warp.linear)(features, uv)
        found = nn.Dense(self.width, dtype=self.dtype, name="looked_up")(found)

        side = cells // self.grid
        pooled = nn.avg_pool(features, (side, side), strides=(side, side))
        tokens = nn.Dense(self.width, dtype=self.dtype, name="tokens")(
            pooled.reshape(pooled.shape[0], self.grid**2, -1)
        )
        tokens = nn.LayerNorm(dtype=self.dtype)(tokens)
        centers = depth.pixel_centers(self.grid, self.grid) * (side * stride)
        places = nearest_points_on_rays(pixel_from_xyz, centers.reshape(-1, 2))
        return tokens, places, found


def project(
    pixel_from_xyz: Float[Array, "crops 3 4"], xyz: Float[Array, "crops points 3"]
) -> Float[Array, "crops points 2"]:
    """Pixels of points; NaN for points behind the camera or closer than 0.1 m."""
    linear, shift = jnp.split(pixel_from_xyz, [3], axis=2)
    seen = jnp.einsum("cij,cnj->cni", linear, xyz, precision="highest")
    seen = seen + shift[:, None, :, 0]
    # Replaced before the division, so that gradients stay finite.
    before = seen[..., 2:] > _MIN_DEPTH
    uv = seen[..., :2] / jnp.where(before, seen[..., 2:], 1.0)
    return jnp.where(before, uv, jnp.nan)


def nearest_points_on_rays(
    pixel_from_xyz: Float[Array, "crops 3 4"], uv: Float[Array, "pixels 2"]
) -> Float[Array, "crops pixels 3"]:
    """Point nearest to the origin on the ray of each pixel, metres.

    A ray starts at the camera centre o = -A3^-1 a4 with direction d = A3^-1 (u, v, 1),
    where A = [A3 | a4]; its point nearest to the origin is o - d (o . d) / (d . d).
    """
    inverse = jnp.linalg.inv(pixel_from_xyz[:, :, :3])
    pixels = jnp.concatenate([uv, jnp.ones_like(uv[:, :1])], axis=-1)
    towards = jnp.einsum("cij,nj->cni", inverse, pixels, precision="highest")
    start = -jnp.einsum(
        "cij,cj->ci", inverse, pixel_from_xyz[:, :, 3], precision="highest"
    )[:, None]
    along = (start * towards).sum(-1, keepdims=True)
    length = (towards**2).sum(-1, keepdims=True)
    return start - towards * numerics.safe_divide(along, length)


def replace_singular(
    pixel_from_xyz: Float[Array, "crops 3 4"],
) -> tuple[Float[Array, "crops 3 4"], Bool[Array, " crops"]]:
    """Replaces singular camera matrices by [I | 0], and marks the regular ones.

    A missing crop has a matrix of zeros, which cannot be inverted.

    Returns:
        Invertible matrices, and True where the given one was invertible.
    """
    determinant = jnp.linalg.det(pixel_from_xyz[:, :, :3])
    given = jnp.abs(determinant) > 1e-6
    harmless = jnp.broadcast_to(jnp.eye(3, 4), pixel_from_xyz.shape)
    return jnp.where(given[:, None, None], pixel_from_xyz, harmless), given
