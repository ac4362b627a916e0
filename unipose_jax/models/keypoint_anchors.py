"""2D keypoints as an input of the stage-2 networks: anchors that follow the 2D pose.

A keypoint is carried into the crop, features of the image are sampled there, and the
joint becomes a token that attends to the other joints and to the cells of the image.
Each token then votes for all joints from anchors around its keypoint
(`anchor_head.AnchorHead`), beside the anchors of the grid.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import camera, numerics, transforms, warp
from unipose_jax.models import anchor_head, patch_transformer
from unipose_jax.models.patch_transformer import MaskedDepth

AROUND = np.array([[0, 0], [-4, 0], [4, 0], [0, -4], [0, 4]], np.float32)
"""Anchors of a keypoint, pixels of the crop from the keypoint."""

_REACH = 0.5  # of a crop's side; keypoints farther outside the crop are ignored
_NEAR = 0.1  # metres; nearer points have no pixel in the crop
_CELL = 4.0  # pixels, the unit in which positions are encoded


def in_crop(
    uv: Float[Array, "*batch joints 2"],
    confidence: Float[Array, "*batch joints"],
    intrinsics: Float[Array, "*#batch 4"],
    crop_matrix: Float[Array, "*batch 3 3"],
    *,
    size: int,
    cam_from_crop: Float[Array, "*#batch 4 4"] | None = None,
    depth: Float[Array, "*batch"] | None = None,
) -> tuple[Float[Array, "*batch joints 2"], Float[Array, "*batch joints"]]:
    """Pixels of a crop where 2D keypoints lie.

    The camera of a colour crop is that of the keypoints, and the pixels are exact. In
    the crop of another camera the place depends on the depth of the joint, of which
    only the person's is known: for a baseline b and a focal length f in pixels of the
    crop, a joint at z instead of z0 is displaced by b f |1 / z - 1 / z0|, which is
    0.4 px for 5 cm, a crop of 64 pixels, and 2 m instead of 2.5 m.

    Args:
        uv: keypoints, undistorted pixels of the keypoint camera.
        confidence: in [0, 1]; 0 where there is no keypoint, whatever `uv` holds.
        intrinsics: (fx, fy, cx, cy) of the keypoint camera, pixels.
        crop_matrix: P of the crop, last row (0, 0, 1).
        size: side of the crop, pixels.
        cam_from_crop: from the crop's camera to the keypoint camera; None if they are
            the same.
        depth: z of the person in the crop's camera, metres; needed for two cameras.

    Returns:
        Pixels of the crop, the middle of the crop where there is none, and the
        confidence, 0 for keypoints that cannot be used: more than half a side outside
        the crop, or behind its camera.
    """
    known = confidence > 0.0
    center = intrinsics[..., None, 2:]
    xy = camera.xy_from_uv(jnp.where(known[..., None], uv, center), intrinsics)
    rays = jnp.concatenate([xy, jnp.ones_like(xy[..., :1])], axis=-1)
    if cam_from_crop is not None:
        assert depth is not None  # the place on the ray
        rays, known = _points_at(rays, known, transforms.invert(cam_from_crop), depth)
    # Explicit sums: accelerators round the factors of matrix products.
    p = crop_matrix[..., None, :2, :]
    place = (p * rays[..., None, :]).sum(-1)
    middle = jnp.full_like(place, size / 2.0)
    near = jnp.abs(place - middle) < (0.5 + _REACH) * size
    known &= near.all(-1)
    place = jnp.where(known[..., None], place, middle)
    return place, jnp.where(known, confidence, 0.0)


def _points_at(
    rays: Array, known: Array, crop_from_cam: Array, depth: Array
) -> tuple[Array, Array]:
    """(x / z, y / z, 1) in the crop's camera, of the points of rays at `depth` there.

    Args:
        rays: (x / z, y / z, 1) in the keypoint camera.
        known: which of them count.
        crop_from_cam: rigid transform.
        depth: z in the crop's camera, metres.

    Returns:
        The points, and which of them are known and before both cameras.
    """
    along = transforms.rotate(crop_from_cam, rays)
    start = crop_from_cam[..., None, :3, 3]
    depth = jnp.broadcast_to(depth[..., None], known.shape)
    distance = numerics.safe_divide(depth - start[..., 2], along[..., 2])
    known = known & (distance > _NEAR) & (depth > _NEAR)
    points = start + along * distance[..., None]
    return points / jnp.where(known, depth, 1.0)[..., None], known


class KeypointAnchors(nn.Module):
    """Tokens of the joints, and the anchors around their keypoints.

    The tokens of joints without a keypoint attend like the others, but have no anchors.

    Attributes:
        num_joints: number of joints.
        stride: side of a cell of the features, pixels.
        width: features per token.
        num_blocks: blocks of attention.
        num_heads: attention heads per block.
        dtype: of activations.
    """

    num_joints: int
    stride: int
    width: int = 96
    num_blocks: int = 3
    num_heads: int = 4
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "crops rows columns channels"],
        uv: Float[Array, "crops joints 2"],
        confidence: Float[Array, "crops joints"],
        surface: MaskedDepth | None = None,
        active: Bool[Array, "crops rows columns"] | None = None,
    ) -> anchor_head.FollowingAnchors:
        """Computes the tokens.

        Args:
            features: of the image.
            uv: keypoints, pixels of the crop, from `in_crop`.
            confidence: 0 without a keypoint.
            surface: depth of the person relative to a reference depth.
            active: cells that have features; None is all.
        """
        crops, rows, columns, _ = features.shape
        known = confidence > 0.0
        places = uv[:, :, None] + AROUND[None, None]  # (crops, joints, around, 2)
        flat = places.reshape(crops, -1, 2)
        found = jax.vmap(warp.linear)(features, flat / self.stride)
        depth = jnp.zeros(flat.shape[:-1])
        seen: list[Array] = [found.reshape(crops, self.num_joints, -1)]
        if surface is not None:
            depth, hit = _surface_at(surface, flat)
            relief = jnp.stack([depth, hit], axis=-1)
            seen.append(relief.reshape(crops, self.num_joints, -1))
        middle = self.stride * np.array([columns, rows], np.float32) / 2.0
        where = (uv - middle.reshape(1, 1, 2)) / _CELL
        seen += [
            patch_transformer.sinusoidal_encoding(where),
            confidence[..., None],
        ]
        x = jnp.concatenate(seen, axis=-1) * known[..., None]
        x = nn.gelu(nn.Dense(2 * self.width, dtype=self.dtype, name="keypoint_in")(x))
        x = nn.Dense(self.width, dtype=self.dtype, name="keypoint_out")(x)
        shape, draw = (self.num_joints, self.width), nn.initializers.normal(0.5)
        identity = self.param("identity", draw, shape).astype(self.dtype)
        missing = self.param("missing", draw, shape).astype(self.dtype)
        x = identity[None] + jnp.where(known[..., None], x, missing[None])
        cells = self._cells(features)
        seen_cells = None if active is None else active.reshape(crops, -1)
        for index in range(self.num_blocks):
            x = _JointBlock(self.num_heads, self.dtype, name=f"block_{index}")(
                x, cells, seen_cells
            )
        return anchor_head.FollowingAnchors(
            tokens=nn.LayerNorm(dtype=self.dtype, name="norm")(x),
            uv=places,
            depth=depth.reshape(places.shape[:-1]),
            known=known,
        )

    def _cells(self, features: Array) -> Array:
        """Tokens of the cells, with their positions: (crops, cells, width)."""
        crops, rows, columns, _ = features.shape
        place = patch_transformer.patch_positions(rows, columns) * self.stride / _CELL
        code = patch_transformer.sinusoidal_encoding(place).astype(self.dtype)
        x = nn.Dense(self.width, dtype=self.dtype, name="cells")(
            features.reshape(crops * rows * columns, -1)
        )
        x = x.reshape(crops, rows * columns, -1)
        y = nn.Dense(self.width, dtype=self.dtype, name="places")(code)
        return nn.LayerNorm(dtype=self.dtype, name="cell_norm")(x + y[None])


class _JointBlock(nn.Module):
    """Pre-norm transformer block in which joints attend to joints and to cells."""

    num_heads: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "crops joints width"],
        cells: Float[Array, "crops cells width"],
        active: Bool[Array, "crops cells"] | None,
    ) -> Float[Array, "crops joints width"]:
        crops, joints, width = x.shape

        def dense(name: str, value: Array, size: int = width) -> Array:
            # Kernels are matrices, as the optimiser wants them.
            return nn.Dense(size, dtype=self.dtype, name=name)(value)

        def heads(value: Array) -> Array:
            return value.reshape(crops, -1, self.num_heads, width // self.num_heads)

        y = nn.LayerNorm(dtype=self.dtype, name="norm_in")(x)
        both = jnp.concatenate([y, cells], axis=1)
        mask = None
        if active is not None:
            always = jnp.ones((crops, joints), bool)
            mask = jnp.concatenate([always, active], axis=1)[:, None, None]
        y = jax.nn.dot_product_attention(
            heads(dense("query", y)),
            heads(dense("key", both)),
            heads(dense("value", both)),
            mask=mask,
        )
        x = x + dense("attended", y.reshape(x.shape))
        y = nn.LayerNorm(dtype=self.dtype, name="norm_wide")(x)
        y = nn.gelu(dense("wide", y, 4 * width))
        return x + dense("narrow", y)


def _surface_at(
    surface: MaskedDepth, uv: Float[Array, "crops places 2"]
) -> tuple[Array, Array]:
    """Relative depth of the person near pixels, 0 without, and the share of the mask.

    Bilinear in the valid pixels alone.
    """
    mask = surface.mask.astype(jnp.float32)
    shown = jnp.stack([jnp.where(surface.mask, surface.relative_depth, 0.0), mask], -1)
    found = jax.vmap(warp.linear)(shown, uv)
    return numerics.safe_divide(found[..., 0], found[..., 1]), found[..., 1]
