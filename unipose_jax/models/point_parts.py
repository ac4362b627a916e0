"""The head that tells which body part each point of a cloud was measured on."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from unipose_jax.skeleton import body_parts

_SPACING = 0.08  # metres between patches, about: the width of the weights


class PointParts(nn.Module):
    r"""Logits of the body part of each point, from the tokens around it.

    Each token t at c_t gives features that are linear in the offset of a point x from
    it, a_t + B_t (x - c_t) / s. A point averages those of the tokens around it with
    weights proportional to exp(-|x - c_t|^2 / 2 s^2); two dense layers follow. A point
    needs no other point, so any subset of a cloud gets the same logits.

    Expanded, the weighted mean is (W A') + (W B) x / s with A'_t = a_t - B_t c_t / s:
    one product of the matrix of weights with the tokens.

    Attributes:
        hidden: features per point.
        dtype: of the tokens; offsets and logits stay float32.
    """

    hidden: int = 24
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        points: Float[Array, "*batch points 3"],
        tokens: Float[Array, "*batch tokens width"],
        positions: Float[Array, "*batch tokens 3"],
    ) -> Float[Array, "*batch points parts"]:
        """Computes the logits of `body_parts.NAMES`.

        Args:
            points: metres, in the frame of `positions`.
            tokens: features of the cloud's patches.
            positions: centres of the patches, metres.
        """
        local = nn.Dense(4 * self.hidden, dtype=self.dtype, name="local")(tokens)
        local = local.astype(jnp.float32).reshape(*tokens.shape[:-1], 4, self.hidden)
        x, centers = points / _SPACING, positions / _SPACING
        shift = jnp.sum(local[..., 1:, :] * centers[..., None], axis=-2)
        local = local.at[..., 0, :].add(-shift)
        sq_dist = sum(
            (x[..., :, None, axis] - centers[..., None, :, axis]) ** 2
            for axis in range(3)
        )
        weights = jax.nn.softmax(-0.5 * sq_dist, axis=-1)
        # Metres: accelerators would round the products to bfloat16 or TF32.
        mean = jnp.matmul(
            weights, local.reshape(*tokens.shape[:-1], -1), precision="highest"
        ).reshape(*points.shape[:-1], 4, self.hidden)
        y = mean[..., 0, :] + jnp.sum(mean[..., 1:, :] * x[..., None], axis=-2)
        y = nn.gelu(nn.Dense(self.hidden, name="hidden")(nn.gelu(y)))
        return nn.Dense(body_parts.COUNT, name="logits")(y)
