"""Relative depth of keypoints from an image: the pre-training task of WSP."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from unipose_jax.geometry import warp
from unipose_jax.models import backbones
from unipose_jax.models.estimate import RankEstimate


class RankNet(nn.Module):
    """Image features at keypoints, and a small head that predicts relative depth.

    Attributes:
        num_joints: joints of a person; the head has an embedding of each.
        backbone: one of `backbones.BACKBONES`.
        width: units of the head's hidden layers.
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
        """Predicts a depth for each keypoint, comparable within an image.

        It also predicts a heatmap of each joint type, a softmax over the cells of the
        image, and returns its logarithm in the cells of the keypoints. Depth is
        predicted from the features at the given keypoints, not from the heatmaps.

        Args:
            image: sRGB.
            people_uv: keypoints, pixels; features are 0 outside the image.
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
        # From the early features, as are the anchors' weights (`anchor_head`).
        where = nn.Dense(self.num_joints, dtype=self.dtype, name="where")(
            features.early
        )
        return RankEstimate(depth[..., 0], _log_softmax_at(where, uv))


def _log_softmax_at(
    logits: Float[Array, "batch rows columns joints"],
    uv: Float[Array, "batch people joints 2"],
) -> Float[Array, "batch people joints"]:
    """Log-softmax over the cells of joint j's map, at the cell of keypoint j."""
    logits = logits.astype(jnp.float32)
    shares = logits - jax.nn.logsumexp(logits, axis=(1, 2), keepdims=True)
    look_up = jax.vmap(warp.nearest, in_axes=(2, 1), out_axes=1)  # over joints
    return jax.vmap(look_up)(shares, uv)
