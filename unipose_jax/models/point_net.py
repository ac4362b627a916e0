"""The stage-1 point network: clips of point clouds to 3D joints.

Patches around farthest-point samples become tokens, which attend to each other over
space and time in a transformer and vote for each joint. The joint is the
softmax-weighted mean of the votes (Hough voting as in VoteNet, Qi et al., ICCV 2019,
with softmax weights instead of clustering).
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from unipose_jax.models import (
    backbones,
    convention,
    image_tokens,
    keypoint_tokens,
    patch_embedding,
    point_parts,
    transformer,
)
from unipose_jax.models.estimate import PoseEstimate

FUSIONS: dict[str, tuple[str, ...]] = {
    "none": (),
    "depth": ("depth",),
    "rgb": ("rgb",),
    "rgbd": ("depth", "rgb"),
}
"""Image modalities that a network uses with the points, by their name in configs."""
OCTAVES = 5  # of the sinusoids that encode a patch's position; the first has 1 m
_MASKED_LOGIT = -1e9  # a logit whose softmax weight is 0
_ZERO_CONFIDENCE_LOGIT = -20.0  # the logit of a confidence of about 0


class TokenSet(NamedTuple):
    """Tokens of one modality; positions are relative to the clip's centroid."""

    features: Array  # (batch, frames, tokens, width)
    positions: Array  # (batch, frames, tokens, 3), metres
    active: Array  # (batch, frames, tokens) bool: False masks a token


class PointNet(nn.Module):
    """Joints of one person from a clip of camera-frame clouds and, optionally, crops.

    The network is translation-equivariant: points are relative to the clip's centroid,
    which is added to the output. It does not depend on the order of points, and accepts
    any number of points and frames.

    With `fusion`, depth or colour crops become tokens too, at positions on their rays.
    Image features are added to the patches that project to them, all tokens attend to
    each other, and all vote. The tokens of each modality also vote separately, which
    gives predictions for a consistency loss (`losses.cross_modal`).

    With `keypoints`, each 2D keypoint is one more token on its ray. A network with
    keypoints also works without them, frame by frame and joint by joint. Without a
    cloud, the clip is centred at its keypoints instead.

    Attributes:
        num_joints: number of joints to predict.
        num_patches: tokens of the cloud per frame.
        width: features per token.
        num_blocks: transformer blocks; they alternate between attention within each
            frame and over the whole clip.
        num_heads: attention heads per block.
        fusion: image modalities in addition to the points, one of `FUSIONS`.
        backbone: image network, one of `backbones.BACKBONES`.
        image_grid: tokens along a side of a crop.
        convention_head: name of the skeleton, to move its joints by learnt offsets in
            the body's frame (`convention.ConventionHead`); "" for none.
        keypoints: whether 2D keypoints are an input.
        point_parts: whether to estimate each point's body part (`part_logits`).
        dtype: of activations; parameters, coordinates and votes stay float32.
    """

    num_joints: int
    num_patches: int = 64
    width: int = 96
    num_blocks: int = 3
    num_heads: int = 4
    fusion: str = "none"
    backbone: str = "small"
    image_grid: int = 4
    convention_head: str = ""
    keypoints: bool = False
    point_parts: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        points: Float[Array, "batch frames points 3"],
        points_valid: Bool[Array, "batch frames points"],
        time: Float[Array, "batch frames"],
        *,
        depth_crop: Float[Array, "batch frames size size"] | None = None,
        depth_crop_matrix: Float[Array, "batch frames 3 3"] | None = None,
        reference_depth: Float[Array, "batch frames"] | None = None,
        color_crop: UInt8[Array, "batch frames size size 3"] | None = None,
        color_crop_matrix: Float[Array, "batch frames 3 3"] | None = None,
        cam_from_points: Float[Array, "batch 4 4"] | None = None,
        uv: Float[Array, "batch frames joints 2"] | None = None,
        confidence: Float[Array, "batch frames joints"] | None = None,
        intrinsics: Float[Array, "batch 4"] | None = None,
        modality_mask: Bool[Array, "batch modalities"] | None = None,
        patches: patch_embedding.Patches | None = None,
        newest: bool = False,
    ) -> PoseEstimate:
        """Predicts joints.

        Args:
            points: metres, camera frame. Ignored, even if NaN, where not valid.
            points_valid: which points exist.
            time: seconds; only differences within a clip matter.
            depth_crop: metres, 0 where depth is missing; for a `fusion` with depth. A
                network that was initialised with crops also works without them (None).
            depth_crop_matrix: P of the depth camera.
            reference_depth: depth of the person in each frame, metres.
            color_crop: RGB; for a `fusion` with rgb.
            color_crop_matrix: P of the colour camera.
            cam_from_points: from the depth camera to the colour camera, metres.
            uv: keypoints, pixels of the colour camera. A network that was initialised
                with keypoints also works without them (None).
            confidence: of the keypoints; 0 where there is none.
            intrinsics: (fx, fy, cx, cy) of the colour camera, pixels.
            modality_mask: False masks the tokens of one of `modalities(fusion)`; None
                uses all. Masked points still determine the centroid.
            patches: tokens of the clouds, if they are known.
            newest: predicts the last frame of each clip only, without `part_logits`.
        """
        points = jnp.where(points_valid[..., None], points, 0.0)
        centroid = _mean_point(points, points_valid)
        rays = None
        if self.keypoints and uv is not None:
            rays = keypoint_tokens.normalize(
                uv, confidence, intrinsics, cam_from_points
            )
            embed_rays = keypoint_tokens.KeypointTokens(
                self.num_joints, self.width, self.dtype, name="keypoints"
            )
            empty = ~points_valid.any((1, 2))[:, None, None, None]
            middle = embed_rays.middle(rays)[:, None, None]
            centroid = jnp.where(empty, middle, centroid)
        embedded = self._embed_patches(points, points_valid, centroid, patches)
        groups = {"points": embedded}
        cameras = self._camera_inputs(
            depth_crop,
            depth_crop_matrix,
            reference_depth,
            color_crop,
            color_crop_matrix,
            cam_from_points,
        )
        groups = self._add_crops(groups, cameras, centroid, modality_mask)
        if rays is not None:
            features, places = embed_rays(rays, points, points_valid)
            active = groups["points"].active & points_valid.any(-1)[..., None]
            groups["points"] = groups["points"]._replace(active=active)
            groups["keypoints"] = TokenSet(features, places - centroid, rays.found)

        sizes = {name: group.positions.shape[2] for name, group in groups.items()}
        everything = jax.tree.map(lambda *x: jnp.concatenate(x, 2), *groups.values())
        tokens = self._attend(everything, time, newest)
        estimate = self._vote(tokens, centroid[:, :, 0, None, :], sizes)
        if self.convention_head:
            estimate = convention.ConventionHead(
                self.convention_head, name=convention.NAME
            )(estimate)
        if self.point_parts and not newest:
            logits = self._classify_points(points - centroid, points_valid, tokens)
            estimate = dataclasses.replace(estimate, part_logits=logits)
        return estimate

    def _classify_points(self, points, valid, tokens: TokenSet) -> Array:
        """Logits of each point's body part, 0 for points that do not exist."""
        patches = jax.tree.map(lambda x: x[:, :, : self.num_patches], tokens)
        head = point_parts.PointParts(dtype=self.dtype, name="point_parts")
        logits = head(points, patches.features, patches.positions)
        return jnp.where(valid[..., None], logits, 0.0)

    def _embed_patches(self, points, valid, centroid, known) -> TokenSet:
        """Tokens of the cloud."""
        batch, frames, count, _ = points.shape
        shape = (batch, frames, self.num_patches)
        if known is None:
            local = jnp.where(valid[..., None], points - centroid, 0.0)
            embed = patch_embedding.PatchEmbedding(
                self.num_patches, self.width, self.dtype, name="patches"
            )
            features, centers = embed(
                local.reshape(batch * frames, count, 3),
                valid.reshape(batch * frames, count),
            )
            centers = centers.reshape(*shape, 3)
        else:
            features, centers = known.features, known.centers - centroid
        return TokenSet(
            features=features.reshape(*shape, self.width),
            positions=centers,
            active=jnp.ones(shape, bool),
        )

    def _attend(self, tokens: TokenSet, time, newest: bool) -> TokenSet:
        """Self-attention, alternately within a frame and over the clip.

        With `newest`, the last block computes the tokens of the last frame only, which
        are returned.
        """
        _, frames, count, _ = tokens.positions.shape
        x = tokens.features + self._position(tokens.positions, time)
        for index in range(self.num_blocks):
            span = frames * count if index % 2 else count
            last = count if newest and index == self.num_blocks - 1 else None
            if last is not None and span == count:
                x = x.reshape(-1, frames, count, self.width)[:, -1:]
                tokens = jax.tree.map(lambda part: part[:, -1:], tokens)
            active = tokens.active.reshape(-1, span)
            plain = self.fusion == "none" and not self.keypoints
            seen = None if plain else active
            block = transformer.Block(self.num_heads, self.dtype)
            x = block(x.reshape(-1, span, self.width), seen, last=last)
        if newest:
            tokens = jax.tree.map(lambda part: part[:, -1:], tokens)
        x = nn.LayerNorm(dtype=self.dtype)(x)
        return tokens._replace(features=x.reshape(*tokens.positions.shape[:3], -1))

    def _camera_inputs(
        self, depth, depth_matrix, reference, color, color_matrix, pose
    ) -> dict[str, tuple[Array, Array]]:
        """Images and 3x4 camera matrices of the given crops, by modality."""
        found = {}
        if "depth" in modalities(self.fusion) and depth is not None:
            no_shift = jnp.zeros((*depth_matrix.shape[:-1], 1))
            camera = jnp.concatenate([depth_matrix, no_shift], axis=-1)
            found["depth"] = backbones.normalize_depth(depth, reference), camera
        if "rgb" in modalities(self.fusion) and color is not None:
            camera = jnp.matmul(color_matrix, pose[:, None, :3], precision="highest")
            found["rgb"] = backbones.normalize_color(color), camera
        return found

    def _add_crops(self, groups, cameras, centroid, mask) -> dict[str, TokenSet]:
        """Adds the tokens of all crops, and masks those that `mask` leaves out."""
        names = modalities(self.fusion)
        seen: dict[str, Array | None] = dict.fromkeys(names)
        if mask is not None:
            seen |= {name: mask[:, index] for index, name in enumerate(names)}
            groups = {"points": _mask_tokens(groups["points"], mask[:, 0])}
        for name, (images, camera) in cameras.items():
            groups = self._add_image_tokens(
                name, images, camera, centroid, groups, seen[name]
            )
        return groups

    def _add_image_tokens(
        self, name, images, camera, centroid, groups, seen
    ) -> dict[str, TokenSet]:
        """Adds the tokens of a crop to the groups, and its features to the patches."""
        batch, frames = images.shape[:2]
        shift = jnp.einsum(
            "btij,bj->bti", camera[..., :3], centroid[:, 0, 0], precision="highest"
        )
        camera = camera.at[..., 3].add(shift)  # from points about the centroid
        camera, given = image_tokens.replace_singular(camera.reshape(-1, 3, 4))
        patches = groups["points"]
        tokens, places, found = image_tokens.ImageTokens(
            self.width, self.image_grid, self.backbone, self.dtype, name=name
        )(
            images.reshape(batch * frames, *images.shape[2:]),
            camera,
            patches.positions.reshape(batch * frames, -1, 3),
        )
        mark = self.param(f"{name}_mark", nn.initializers.normal(0.02), (self.width,))
        shape = (batch, frames, -1)
        crops = TokenSet(
            features=(tokens + mark.astype(tokens.dtype)[None, None]).reshape(
                *shape, self.width
            ),
            positions=places.reshape(*shape, 3),
            active=jnp.broadcast_to(given[:, None], tokens.shape[:2]).reshape(*shape),
        )
        crops = crops if seen is None else _mask_tokens(crops, seen)
        # Features of missing or masked crops are zero.
        used = crops.active[:, :, :1, None]
        found = jnp.where(used, found.reshape(patches.features.shape), 0.0)
        patches = patches._replace(features=patches.features + found)
        return groups | {"points": patches, name: crops}

    def _position(self, centers, time):
        """Embeds the position, relative to the centroid, and the time of each patch."""
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

    def _vote(self, tokens: TokenSet, centroid, sizes) -> PoseEstimate:
        """Softmax-weighted votes of a frame's tokens for each joint."""
        # Votes are metres: accelerators would round the product to bfloat16 or TF32.
        exact = jnp.promote_types(self.dtype, jnp.float32)
        votes = nn.Dense(
            5 * self.num_joints, dtype=exact, precision="highest", name="votes"
        )(tokens.features)
        votes = votes.reshape(*votes.shape[:3], self.num_joints, 5)

        def joints(votes, places, active) -> PoseEstimate:
            score = jnp.where(active[..., None], votes[..., 0], _MASKED_LOGIT)
            share = jax.nn.softmax(score, axis=2)[..., None]
            xyz = (share * (places[..., None, :] + votes[..., 1:4])).sum(axis=2)
            logit = (share[..., 0] * votes[..., 4]).sum(axis=2)
            # Without an active token the confidence is 0.
            logit = jnp.where(
                active.any(2, keepdims=True), logit, _ZERO_CONFIDENCE_LOGIT
            )
            return PoseEstimate(xyz=xyz + centroid, confidence_logit=logit)

        voters = (votes, tokens.positions, tokens.active)
        whole = joints(*voters)
        if len(sizes) == 1:
            return whole
        ends = np.cumsum(list(sizes.values()))
        parts = {
            name: joints(*(x[:, :, end - size : end] for x in voters))
            for (name, size), end in zip(sizes.items(), ends, strict=True)
        }
        return dataclasses.replace(whole, parts=parts)


def _mean_point(points: Array, valid: Array) -> Array:
    """Mean (batch, 1, 1, 3) of each clip's points; invalid ones must be 0."""
    total = valid.astype(points.dtype)[..., None].sum((1, 2), keepdims=True)
    return points.sum((1, 2), keepdims=True) / jnp.maximum(total, 1.0)


def modalities(fusion: str) -> tuple[str, ...]:
    """Input modalities of a network with this `fusion`, points first.

    Raises:
        ValueError: `fusion` is not one of `FUSIONS`.
    """
    if fusion not in FUSIONS:
        raise ValueError(f"unknown fusion {fusion!r}; choose from {', '.join(FUSIONS)}")
    return ("points", *FUSIONS[fusion])


def _mask_tokens(group: TokenSet, seen: Bool[Array, " batch"]) -> TokenSet:
    return group._replace(active=group.active & seen[:, None, None])
