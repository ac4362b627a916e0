"""The stage-1 point network: clips of point clouds to 3D joints.

The cloud around farthest points becomes tokens, which exchange information over space
and time in a transformer and vote for every joint; the softmax-weighted vote is the
joint (Hough voting as in VoteNet, Qi et al., ICCV 2019, with a soft choice instead of
clustering).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.models import sampling
from unipose_jax.models.estimate import PoseEstimate

WINDOWS = (0.08, 0.20)  # metres: a limb's thickness, and a limb
WAVES = 64  # random frequencies of the patch features
OCTAVES = 5  # of the sinusoids that encode a patch's place, from 1 m of wavelength on


def _frequencies() -> Float[Array, "3 waves"]:
    """Fixed random frequencies, radians per metre, as wide as the windows are."""
    draws = np.random.default_rng(0).standard_normal((3, WAVES))
    return jnp.asarray(draws / np.where(np.arange(WAVES) % 2, 0.06, 0.15), jnp.float32)


class Block(nn.Module):
    """Pre-norm transformer block."""

    num_heads: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "batch tokens width"]):
        width = x.shape[-1]
        y = nn.LayerNorm(dtype=self.dtype)(x)
        x = x + nn.MultiHeadDotProductAttention(self.num_heads, dtype=self.dtype)(y)
        y = nn.LayerNorm(dtype=self.dtype)(x)
        y = nn.gelu(nn.Dense(4 * width, dtype=self.dtype)(y))
        return x + nn.Dense(width, dtype=self.dtype)(y)


class PatchEmbedding(nn.Module):
    """Clouds to tokens: one per patch, with its centre."""

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
            chosen = sampling.farthest_points(xyz, valid, count=self.num_patches)
            centers = xyz[chosen]
            features = sampling.patch_features(
                xyz, valid, centers, frequencies=frequencies, windows=WINDOWS
            )
            return features, centers

        features, centers = jax.vmap(embed)(xyz, valid)
        x = features.astype(self.dtype)
        x = nn.gelu(nn.Dense(2 * self.width, dtype=self.dtype)(x))
        x = nn.Dense(self.width, dtype=self.dtype)(x)
        return nn.LayerNorm(dtype=self.dtype)(x), centers


class PointNet(nn.Module):
    """Joints of one person from a clip of camera-frame clouds.

    Moves with the cloud by construction: the network sees points relative to the clip's
    centroid and the centroid is added back. It does not depend on the order of points,
    and takes any number of them, in any number of frames.

    Attributes:
        num_joints: joints to predict.
        num_patches: tokens per frame.
        width: token features.
        num_blocks: transformer blocks; by turns they attend within each frame and over
            the whole clip.
        num_heads: attention heads per block.
        dtype: of activations; parameters, coordinates and votes stay float32.
    """

    num_joints: int
    num_patches: int = 64
    width: int = 96
    num_blocks: int = 3
    num_heads: int = 4
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        points: Float[Array, "batch frames points 3"],
        points_valid: Bool[Array, "batch frames points"],
        time: Float[Array, "batch frames"],
    ) -> PoseEstimate:
        """Predicts joints.

        Args:
            points: metres, camera frame. Ignored, even if NaN, where not valid.
            points_valid: which points exist.
            time: seconds; only differences inside a clip matter.
        """
        batch, frames, num_points, _ = points.shape
        points = jnp.where(points_valid[..., None], points, 0.0)
        weight = points_valid.astype(points.dtype)[..., None]
        total = jnp.maximum(weight.sum((1, 2), keepdims=True), 1.0)
        centroid = points.sum((1, 2), keepdims=True) / total
        local = jnp.where(points_valid[..., None], points - centroid, 0.0)

        tokens, centers = PatchEmbedding(
            self.num_patches,
            self.width,
            self.dtype,
            name="patches",
        )(
            local.reshape(batch * frames, num_points, 3),
            points_valid.reshape(batch * frames, num_points),
        )
        centers = centers.reshape(batch, frames, self.num_patches, 3)
        tokens = tokens.reshape(batch, frames, self.num_patches, self.width)
        tokens = tokens + self._position(centers, time)

        for index in range(self.num_blocks):
            span = frames * self.num_patches if index % 2 else self.num_patches
            tokens = tokens.reshape(-1, span, self.width)
            tokens = Block(self.num_heads, self.dtype)(tokens)
        tokens = nn.LayerNorm(dtype=self.dtype)(tokens)
        tokens = tokens.reshape(batch, frames, self.num_patches, self.width)
        return self._vote(tokens, centers, centroid[:, :, 0, None, :])

    def _position(self, centers, time):
        """Embeds where (relative to the centroid) and when a patch is."""
        when = jnp.broadcast_to(
            (time - time.mean(axis=1, keepdims=True))[:, :, None, None],
            (*centers.shape[:3], 1),
        )
        waves = [2.0 * jnp.pi * 2.0**octave * centers for octave in range(OCTAVES)]
        place = jnp.concatenate(waves, axis=-1)
        x = jnp.concatenate(
            [jnp.sin(place), jnp.cos(place), 2.0 * centers, 4.0 * when], axis=-1
        ).astype(self.dtype)
        x = nn.gelu(nn.Dense(self.width, dtype=self.dtype, name="position_in")(x))
        return nn.Dense(self.width, dtype=self.dtype, name="position_out")(x)

    def _vote(self, tokens, centers, centroid) -> PoseEstimate:
        """Softmax-weighted votes of a frame's tokens for each joint."""
        # Votes are metres: accelerators would round the product to bfloat16 or TF32.
        votes = nn.Dense(
            5 * self.num_joints, dtype=jnp.float32, precision="highest", name="votes"
        )(tokens)
        votes = votes.reshape(*tokens.shape[:3], self.num_joints, 5)
        share = jax.nn.softmax(votes[..., 0], axis=2)[..., None]
        xyz = (share * (centers[..., None, :] + votes[..., 1:4])).sum(axis=2)
        logit = (share[..., 0] * votes[..., 4]).sum(axis=2)
        return PoseEstimate(xyz=xyz + centroid, confidence_logit=logit)
