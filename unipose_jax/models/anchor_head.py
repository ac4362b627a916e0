"""Anchor-to-joint head: A2J (Xiong et al., ICCV 2019, arXiv 1908.09999).

A crop is covered by anchors, one every 4 pixels. For each joint, each anchor predicts a
weight, an offset in pixels and a depth; the joint is the softmax-weighted sum of these
votes.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.models import backbones
from unipose_jax.models.estimate import CropEstimate

SPACING = 4  # pixels between anchors; the first ones lie at half of that
_MASKED_LOGIT = -1e9  # a logit whose softmax weight is 0
_DEPTH_UNIT = 0.2  # metres: typical distance of joints from the middle of a person


class Votes(NamedTuple):
    """Predictions of each anchor for each joint."""

    weight_logit: Array  # (*batch, anchors, joints)
    offset: Array  # (*batch, anchors, joints, 2), pixels from the anchor to the joint
    depth: Array  # (*batch, anchors, joints), metres
    confidence_logit: Array  # (*batch, anchors, joints)


def anchor_positions(
    rows: int, columns: int, *, stride: int
) -> Float[Array, "anchors 2"]:
    """Pixel positions of the anchors, cell by cell, each in row-major order.

    Args:
        rows: number of rows of the grid of cells.
        columns: number of columns of the grid of cells.
        stride: side of a cell, pixels; a multiple of `SPACING`.

    Returns:
        (u, v), pixels of the crop: 2, 6, 10, ... along both axes.

    Raises:
        ValueError: `stride` is not a multiple of `SPACING`.
    """
    if stride % SPACING:
        raise ValueError(f"stride must be a multiple of {SPACING} pixels, got {stride}")
    inner = np.arange(SPACING / 2, stride, SPACING)
    v = stride * np.arange(rows)[:, None, None, None] + inner[:, None]
    u = stride * np.arange(columns)[:, None, None] + inner
    uv = np.stack(np.broadcast_arrays(u, v), axis=-1)
    return jnp.asarray(uv.reshape(-1, 2), jnp.float32)


def depth_at_anchors(
    relative: Float[Array, "crops height width"],
    seen: Bool[Array, "crops height width"],
    *,
    stride: int,
) -> Float[Array, "crops anchors"]:
    """Depth of the surface at each anchor: the mean over its `SPACING`^2 pixels.

    Args:
        relative: depth minus a reference depth, metres.
        seen: valid pixels; anchors without a valid pixel have depth 0.
        stride: side of a cell, pixels.

    Returns:
        Depth relative to the reference, metres, in the order of `anchor_positions`.
    """
    crops, height, width = relative.shape
    inner = stride // SPACING
    rows, columns = height // stride, width // stride
    shape = (crops, rows, inner, SPACING, columns, inner, SPACING)
    count = seen.reshape(shape).sum(axis=(3, 6))
    total = jnp.where(seen, relative, 0.0).reshape(shape).sum(axis=(3, 6))
    mean = total / jnp.maximum(count, 1)  # (crops, rows, inner, columns, inner)
    return mean.transpose(0, 1, 3, 2, 4).reshape(crops, -1)


def aggregate_votes(
    votes: Votes, anchor_uv: Float[Array, "anchors 2"]
) -> tuple[CropEstimate, Float[Array, "*batch joints"]]:
    r"""Joints as softmax-weighted sums of the anchors' votes (A2J).

    With anchors S_a and the softmax P_aj of the logits over anchors,
    uv_j = sum_a P_aj (S_a + offset_aj), z_j = sum_a P_aj depth_aj, and the proposal
    sum_a P_aj S_a, which A2J's informative anchor loss moves to the joint. Confidence
    logits are averaged with the same weights.

    Args:
        votes: predictions of any float type; results are float32.
        anchor_uv: S, pixels of the crop.

    Returns:
        Joints, pixels and metres as in `votes`, and the logits of their confidences.
    """
    votes = Votes(*(vote.astype(jnp.float32) for vote in votes))
    share = jax.nn.softmax(votes.weight_logit, axis=-2)
    # Full precision: accelerators round the factors of matrix products by default.
    proposal = jnp.einsum("...aj,ai->...ji", share, anchor_uv, precision="highest")
    offset = jnp.sum(share[..., None] * votes.offset, axis=-3)
    joints = CropEstimate(
        uv=proposal + offset,
        depth=jnp.sum(share * votes.depth, axis=-2),
        anchor_uv=proposal,
    )
    return joints, jnp.sum(share * votes.confidence_logit, axis=-2)


class AnchorHead(nn.Module):
    """Predicts the anchors' votes from features, and joints from the votes.

    At initialisation all anchors have nearly the same weight: all joints start in the
    middle of the crop, at the mean depth of the anchors.

    Attributes:
        num_joints: number of joints to predict.
        stride: side of a cell of the features, pixels.
        width: channels of the branches.
        depth: layers of each branch before its output. With 0, a cell's votes are
            linear in its own features, which is enough for transformer tokens.
        dtype: of activations; parameters, votes and joints stay float32.
    """

    num_joints: int
    stride: int
    width: int = 256
    depth: int = 4
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        early: Float[Array, "crops rows columns c4"],
        late: Float[Array, "crops rows columns c5"],
        anchor_depth: Float[Array, "crops anchors"] | None = None,
        active: Bool[Array, "crops rows columns"] | None = None,
    ) -> tuple[CropEstimate, Float[Array, "crops joints"]]:
        """Predicts joints.

        Args:
            early: features for the anchors' weights.
            late: features for the offsets and depths.
            anchor_depth: depth of each anchor, metres, from `depth_at_anchors`, to
                which the predicted depth is added; None is 0.
            active: cells whose anchors vote; all do in a crop without an active cell.

        Returns:
            The result of `aggregate_votes`.
        """
        places = anchor_positions(*early.shape[1:3], stride=self.stride)
        weight = self._branch("weights", early, values=1)
        offset = self._branch("offsets", late, values=2)
        depth = self._branch("depths", late, values=2)
        base = 0.0 if anchor_depth is None else anchor_depth[..., None]
        weight = weight[..., 0]
        if active is not None:
            counts = jnp.repeat(
                active.reshape(len(active), -1), (self.stride // SPACING) ** 2, axis=1
            )
            counts |= ~counts.any(axis=1, keepdims=True)
            weight = jnp.where(counts[..., None], weight, _MASKED_LOGIT)
        votes = Votes(
            weight_logit=weight,
            offset=self.stride * offset,  # in cells
            depth=base + _DEPTH_UNIT * depth[..., 0],
            confidence_logit=depth[..., 1],
        )
        return aggregate_votes(votes, places)

    def _branch(self, name: str, x: Array, *, values: int) -> Array:
        """Values of each anchor for each joint: (crops, anchors, joints, values)."""
        for index in range(self.depth):
            x = nn.Conv(
                self.width,
                (3, 3),
                use_bias=False,
                kernel_init=nn.initializers.he_normal(),
                dtype=self.dtype,
                name=f"{name}_{index}",
            )(x)
            x = nn.relu(backbones.group_norm(x, self.dtype))
        side = 3 if self.depth else 1
        x = nn.Conv(
            (self.stride // SPACING) ** 2 * self.num_joints * values,
            (side, side),
            kernel_init=nn.initializers.variance_scaling(0.01, "fan_in", "normal"),
            dtype=self.dtype,
            name=f"{name}_out",
        )(x)
        shape = (x.shape[0], -1, self.num_joints, values)
        return x.reshape(shape).astype(jnp.float32)
