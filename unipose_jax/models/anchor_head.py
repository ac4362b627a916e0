"""Anchor-to-joint head: A2J (Xiong et al., ICCV 2019, arXiv 1908.09999).

A crop is covered by anchors, one every 4 pixels. For each joint, each anchor predicts a
weight, an offset in pixels and a depth; the joint is the softmax-weighted sum of these
votes. Further anchors may follow the keypoints of a 2D pose (`keypoint_anchors`), and
the depth of a joint may be classified into bins instead of regressed.
"""

import dataclasses
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
BIN_LIMIT = 1.0  # metres from the reference depth to the outer edges of the bins
_OWN_LOGIT = 6.0  # initial weight logit of a joint at its own keypoint
_DEPTH_UNIT = 0.2  # metres: typical distance of joints from the middle of a person


class Votes(NamedTuple):
    """Predictions of each anchor for each joint."""

    weight_logit: Array  # (*batch, anchors, joints)
    offset: Array  # (*batch, anchors, joints, 2), pixels from the anchor to the joint
    depth: Array  # (*batch, anchors, joints), metres
    confidence_logit: Array  # (*batch, anchors, joints)


class FollowingAnchors(NamedTuple):
    """Anchors around 2D keypoints, and the tokens that vote from them."""

    tokens: Array  # (crops, joints, width)
    uv: Array  # (crops, joints, around, 2), pixels of the crop
    depth: Array  # (crops, joints, around), metres from the reference depth
    known: Array  # (crops, joints) bool: the joint has a keypoint


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


def bin_centers(count: int) -> Float[Array, " bins"]:
    """Middles of `count` bins of equal width over `BIN_LIMIT` metres on either side."""
    width = 2.0 * BIN_LIMIT / count
    return jnp.asarray(width * (np.arange(count) + 0.5) - BIN_LIMIT, jnp.float32)


def expected_depth(
    logits: Float[Array, "*batch bins"],
) -> Float[Array, "*batch"]:
    """Mean of the bins' middles under the softmax of their logits, metres."""
    share = jax.nn.softmax(logits.astype(jnp.float32), axis=-1)
    centers = bin_centers(logits.shape[-1])
    return jnp.einsum("...b,b->...", share, centers, precision="highest")


def aggregate_votes(
    votes: Votes, anchor_uv: Float[Array, "*#batch anchors 2"]
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
    anchor_uv = jnp.broadcast_to(anchor_uv, (*share.shape[:-1], 2))
    proposal = jnp.einsum("...aj,...ai->...ji", share, anchor_uv, precision="highest")
    offset = jnp.sum(share[..., None] * votes.offset, axis=-3)
    joints = CropEstimate(
        uv=proposal + offset,
        depth=jnp.sum(share * votes.depth, axis=-2),
        anchor_uv=proposal,
    )
    return joints, jnp.sum(share * votes.confidence_logit, axis=-2)


class AnchorHead(nn.Module):
    """Predicts the anchors' votes from features, and joints from the votes.

    At initialisation all anchors of the grid have nearly the same weight: all joints
    start in the middle of the crop, or at their keypoint, at the mean depth of the
    anchors.

    Attributes:
        num_joints: number of joints to predict.
        stride: side of a cell of the features, pixels.
        width: channels of the branches.
        depth: layers of each branch before its output. With 0, a cell's votes are
            linear in its own features, which is enough for transformer tokens.
        depth_bins: bins of the depth of a joint (`BIN_LIMIT`); 0 for regression.
        dtype: of activations; parameters, votes and joints stay float32.
    """

    num_joints: int
    stride: int
    width: int = 256
    depth: int = 4
    depth_bins: int = 0
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        early: Float[Array, "crops rows columns c4"],
        late: Float[Array, "crops rows columns c5"],
        anchor_depth: Float[Array, "crops anchors"] | None = None,
        active: Bool[Array, "crops rows columns"] | None = None,
        following: FollowingAnchors | None = None,
    ) -> tuple[CropEstimate, Float[Array, "crops joints"]]:
        """Predicts joints.

        Args:
            early: features for the anchors' weights.
            late: features for the offsets and depths.
            anchor_depth: depth of each anchor, metres, from `depth_at_anchors`, to
                which the predicted depth is added; None is 0. Bins are relative to
                the reference depth itself.
            active: cells whose anchors vote; all do in a crop without an active cell.
            following: anchors that follow keypoints; None for those of the grid alone.

        Returns:
            The result of `aggregate_votes`.
        """
        places = anchor_positions(*early.shape[1:3], stride=self.stride)
        _, weight = self._branch("weights", early, values=1)
        _, offset = self._branch("offsets", late, values=2)
        hidden, depth = self._branch("depths", late, values=2)
        base = 0.0 if anchor_depth is None else anchor_depth[..., None]
        weight = weight[..., 0]
        if active is not None:
            counts = jnp.repeat(
                active.reshape(active.shape[0], -1),
                (self.stride // SPACING) ** 2,
                axis=1,
            )
            counts |= ~counts.any(axis=1, keepdims=True)
            weight = jnp.where(counts[..., None], weight, _MASKED_LOGIT)
        votes = Votes(
            weight_logit=weight,
            offset=self.stride * offset,  # in cells
            depth=base + _DEPTH_UNIT * depth[..., 0],
            confidence_logit=depth[..., 1],
        )
        count = places.shape[0]
        if following is not None:
            votes, places = self._add_following(
                votes, places, following, surface=anchor_depth is not None
            )
        joints, confidence = aggregate_votes(votes, places)
        if self.depth_bins:
            share = jax.nn.softmax(votes.weight_logit, axis=-2)
            logits = self._bins("grid", share[:, :count], hidden)
            if following is not None:
                logits += self._bins("following", share[:, count:], following.tokens)
            joints = dataclasses.replace(
                joints, depth=expected_depth(logits), depth_logits=logits
            )
        return joints, confidence

    def _branch(self, name: str, x: Array, *, values: int) -> tuple[Array, Array]:
        """Features, and values of each anchor for each joint.

        Returns:
            (crops, rows, columns, width) and (crops, anchors, joints, values).
        """
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
        y = nn.Conv(
            (self.stride // SPACING) ** 2 * self.num_joints * values,
            (side, side),
            kernel_init=nn.initializers.variance_scaling(0.01, "fan_in", "normal"),
            dtype=self.dtype,
            name=f"{name}_out",
        )(x)
        shape = (y.shape[0], -1, self.num_joints, values)
        return x, y.reshape(shape).astype(jnp.float32)

    def _add_following(
        self, votes: Votes, places: Array, following: FollowingAnchors, *, surface: bool
    ) -> tuple[Votes, Array]:
        """Appends the votes of the anchors around keypoints, and their places."""
        crops, joints, around = following.uv.shape[:3]
        values = nn.Dense(
            around * joints * 5,
            kernel_init=nn.initializers.variance_scaling(0.01, "fan_in", "normal"),
            dtype=self.dtype,
            name="following",
        )(following.tokens)
        values = values.astype(jnp.float32)
        values = values.reshape(crops, joints * around, joints, 5)
        # How much the anchors of one joint count for another.
        affinity = self.param(
            "affinity",
            lambda key, shape: _OWN_LOGIT * jnp.eye(*shape),
            (joints, joints),
        )
        own = jnp.repeat(affinity, around, axis=0)
        known = jnp.repeat(following.known, around, axis=1)[..., None]
        base = following.depth.reshape(crops, -1)[..., None] if surface else 0.0
        added = Votes(
            weight_logit=jnp.where(known, values[..., 0] + own[None], _MASKED_LOGIT),
            offset=self.stride * values[..., 1:3],
            depth=base + _DEPTH_UNIT * values[..., 3],
            confidence_logit=values[..., 4],
        )
        both = Votes(
            *(jnp.concatenate(p, axis=1) for p in zip(votes, added, strict=True))
        )
        grid = jnp.broadcast_to(places, (crops, *places.shape))
        return both, jnp.concatenate([grid, following.uv.reshape(crops, -1, 2)], axis=1)

    def _bins(self, name: str, share: Array, features: Array) -> Array:
        """Logits of the bins of each joint: those of its anchors' features, averaged.

        Args:
            name: of the anchors.
            share: (crops, anchors, joints), weights.
            features: of the groups of neighbouring anchors, (crops, *groups, width).
        """
        features = features.reshape(features.shape[0], -1, features.shape[-1])
        groups = features.shape[1]
        share = share.reshape(share.shape[0], groups, -1, self.num_joints).sum(axis=2)
        pooled = jnp.einsum(
            "cgj,cgw->cjw", share, features.astype(jnp.float32), precision="highest"
        )
        pooled = jnp.concatenate([pooled, share.sum(axis=1)[..., None]], axis=-1)
        kernel = self.param(
            f"{name}_bins",
            nn.initializers.normal(0.1 / np.sqrt(features.shape[-1])),
            (pooled.shape[-1], self.num_joints * self.depth_bins),
        )
        kernel = kernel.reshape(-1, self.num_joints, self.depth_bins)
        return jnp.einsum("cjw,wjb->cjb", pooled, kernel, precision="highest")
