"""Relative depth of keypoints from a picture: what WSP trains a backbone with."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from unipose_jax.geometry import warp
from unipose_jax.models import backbones
from unipose_jax.models.estimate import RankEstimate


class RankNet(nn.Module):
    """Features of a picture at keypoints, and a small head that ranks them.

    Attributes:
        num_joints: joints of a person; the head knows which one it looks at.
        backbone: one of `backbones.BACKBONES`.
        width: of the head's hidden layer.
        dtype: of activations; parameters stay float32.
    """

    num_joints: int
    backbone: str = "small"
    width: int = 64
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        image: UInt8[Array, "batch height width 3"],
        people_uv: Float[Array, "batch people joints 2"],
    ) -> RankEstimate:
        """Predicts a depth for each keypoint, comparable within a picture.

        A map of each joint, a softmax over the cells of the picture, says where such
        joints are; the estimate has its logarithm in the cells of the keypoints. Depth
        is read off at the keypoints that are given, and does not depend on the maps.

        Args:
            image: sRGB.
            people_uv: keypoints, pixels; what is outside sees nothing.
        """
        features = backbones.Backbone(self.backbone, self.dtype, name="backbone")(
            backbones.normalize_color(image)
        )
        maps = jnp.concatenate([features.early, features.late], axis=-1).astype(
            jnp.float32
        )
        uv = people_uv / backbones.stride_of(self.backbone)
        seen = jax.vmap(warp.linear)(maps, uv)
        whole = maps.mean(axis=(1, 2))[:, None, None]
        x = nn.Dense(self.width, dtype=self.dtype, name="seen")(seen)
        x += nn.Dense(self.width, dtype=self.dtype, name="whole")(whole)
        joint = self.param(
            "joint", nn.initializers.normal(0.02), (1, 1, self.num_joints, self.width)
        )
        x = nn.gelu(nn.LayerNorm(dtype=self.dtype)(x + joint))
        x = nn.gelu(nn.Dense(self.width, dtype=self.dtype, name="hidden")(x))
        depth = nn.Dense(1, name="depth")(x.astype(jnp.float32))
        # Anchors are weighed by the early features, too (`anchor_head`).
        where = nn.Dense(self.num_joints, dtype=self.dtype, name="where")(
            features.early
        )
        return RankEstimate(depth[..., 0], _log_softmax_at(where, uv))


def _log_softmax_at(
    logits: Float[Array, "batch rows columns joints"],
    uv: Float[Array, "batch people joints 2"],
) -> Float[Array, "batch people joints"]:
    """Log-softmax over the cells, of joint j's map in the cell of keypoint j."""
    logits = logits.astype(jnp.float32)
    shares = logits - jax.nn.logsumexp(logits, axis=(1, 2), keepdims=True)
    look_up = jax.vmap(warp.nearest, in_axes=(2, 1), out_axes=1)  # over joints
    return jax.vmap(look_up)(shares, uv)
