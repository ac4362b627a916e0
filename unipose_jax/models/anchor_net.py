"""The stage-2 networks: joints of one person from a depth crop or from a colour crop.

A crop's camera is a matrix P: pixel = P (x / z, y / z, 1). Both networks predict joints
in pixels of the crop, and their depth; P converts pixels to metres. A crop that is
rotated, scaled, shifted or mirrored therefore only needs its own P.

With `keypoints`, the networks also take the 2D keypoints of a detector, which have
their own camera (`keypoint_anchors`).
"""

import dataclasses
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from unipose_jax.geometry import numerics, transforms
from unipose_jax.models import anchor_head, backbones, keypoint_anchors
from unipose_jax.models.estimate import CropEstimate, PoseEstimate
from unipose_jax.models.patch_transformer import MaskedDepth

# Initial scale: the larger side of a person, metres, and the share of a crop it spans.
_PERSON_SIZE = 1.5
_CROP_FILL = 1 / 1.2
# Metres from the reference depth; pixels farther away are not of the person.
_MAX_RELATIVE_DEPTH = 1.0


class AnchorCore(nn.Module):
    """Backbone and head of both networks: images of clips to joints in their pixels.

    Attributes:
        num_joints: number of joints to predict.
        backbone: one of `backbones.BACKBONES`.
        head_width: channels of the head's branches.
        head_depth: layers of the head's branches.
        keypoints: whether anchors follow 2D keypoints.
        depth_bins: bins of the depth, 0 for regression.
        dtype: of activations.
    """

    num_joints: int
    backbone: str
    head_width: int
    head_depth: int
    keypoints: bool
    depth_bins: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "batch frames size size channels"],
        surface: MaskedDepth | None = None,
        keypoints: tuple[Array, Array] | None = None,
    ) -> tuple[
        CropEstimate,
        Float[Array, "batch frames joints"],
        Float[Array, "batch frames features"],
    ]:
        """Predicts joints with relative depth, confidence logits and pooled features.

        Args:
            images: about zero mean and unit variance.
            surface: the person's depth relative to the reference depth. The predicted
                depth is then added to the surface's depth at the anchors.
            keypoints: pixels of the crop (batch, frames, joints, 2) and confidence;
                None is confidence 0. Ignored without `self.keypoints`.
        """
        batch, frames, *image = images.shape
        images = images.reshape(batch * frames, *image)
        stride, base = backbones.stride_of(self.backbone), None
        if surface is not None:
            surface = MaskedDepth(*(x.reshape(-1, *x.shape[2:]) for x in surface))
            base = anchor_head.depth_at_anchors(*surface, stride=stride)
        early, late, active = backbones.Backbone(
            self.backbone, self.dtype, name="backbone"
        )(images, surface)
        pooled = late.astype(jnp.float32).mean(axis=(1, 2))
        following = None
        if self.keypoints:
            if keypoints is None:
                empty = jnp.zeros((batch, frames, self.num_joints))
                keypoints = (jnp.zeros((*empty.shape, 2)), empty)
            uv, confidence = (x.reshape(-1, *x.shape[2:]) for x in keypoints)
            following = keypoint_anchors.KeypointAnchors(
                self.num_joints, stride, dtype=self.dtype, name="following"
            )(late, uv, confidence, surface, active)
            person = following.tokens.astype(jnp.float32).mean(axis=1)
            pooled = jnp.concatenate([pooled, person], axis=-1)
        joints, confidence = anchor_head.AnchorHead(
            self.num_joints,
            stride,
            self.head_width,
            self.head_depth,
            self.depth_bins,
            self.dtype,
            name="head",
        )(early, late, base, active, following)
        joints, confidence, pooled = jax.tree.map(
            lambda x: x.reshape(batch, frames, *x.shape[1:]),
            (joints, confidence, pooled),
        )
        return joints, confidence, pooled


class DepthAnchorNet(nn.Module):
    """Joints from depth crops, for each frame independently.

    Input and output depths are relative to a reference depth of the person: shifting
    scene and reference along z shifts the joints by the same distance, at the same
    pixels.

    Attributes:
        num_joints: number of joints to predict.
        backbone: one of `backbones.BACKBONES`.
        head_width: channels of the head's branches.
        head_depth: layers of the head's branches.
        keypoints: whether anchors follow 2D keypoints.
        depth_bins: bins in which the depth of a joint is classified; 0: regression.
        dtype: of activations; parameters, pixels and metres stay float32.
    """

    num_joints: int
    backbone: str = "small"
    head_width: int = 64
    head_depth: int = 1
    keypoints: bool = False
    depth_bins: int = 0
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        depth_crop: Float[Array, "batch frames size size"],
        depth_crop_matrix: Float[Array, "batch frames 3 3"],
        reference_depth: Float[Array, "batch frames"],
        uv: Float[Array, "batch frames joints 2"] | None = None,
        confidence: Float[Array, "batch frames joints"] | None = None,
        intrinsics: Float[Array, "batch 4"] | None = None,
        cam_from_points: Float[Array, "batch 4 4"] | None = None,
    ) -> PoseEstimate:
        """Predicts joints in the frame of the depth camera.

        Args:
            depth_crop: metres, 0 where depth is missing.
            depth_crop_matrix: P of the depth camera, last row (0, 0, 1).
            reference_depth: depth of the person in each frame, metres; 0 without a
                person, and the joints are then meaningless.
            uv: keypoints, undistorted pixels; None for none. They are carried into the
                crop at the reference depth.
            confidence: in [0, 1]; 0 where there is no keypoint.
            intrinsics: (fx, fy, cx, cy) of the keypoint camera, pixels.
            cam_from_points: from the depth camera to the keypoint camera, metres.
        """
        reference = reference_depth[..., None]
        images = backbones.normalize_depth(depth_crop, reference_depth)
        relative = depth_crop - reference[..., None]
        seen = (depth_crop > 0.0) & (jnp.abs(relative) < _MAX_RELATIVE_DEPTH)
        given = None
        if uv is not None:
            given = keypoint_anchors.in_crop(
                uv,
                _given(confidence, "confidence"),
                _given(intrinsics, "intrinsics")[:, None],
                depth_crop_matrix,
                size=depth_crop.shape[2],
                cam_from_crop=_given(cam_from_points, "cam_from_points")[:, None],
                depth=reference_depth,
            )
        core = _make_core(self)
        joints, score, _ = core(images, MaskedDepth(relative, seen), given)
        joints = _add_depth(joints, reference)
        xyz = xyz_from_crop(joints.uv, joints.depth, depth_crop_matrix)
        return PoseEstimate(xyz=xyz, confidence_logit=score, crop=joints)


class ColorAnchorNet(nn.Module):
    r"""Joints from colour crops, for each frame independently.

    The depth of the joints is relative to the person's depth, which follows from the
    apparent size. The network predicts $s$, the logarithm of the metres that a pixel of
    the crop spans at the person. A pixel spans $z / f$ metres at depth $z$, hence

    $$ z_\mathrm{root} = f e^s, \qquad f = \sqrt{|\det P_{2 \times 2}|} $$

    with the focal length $f$ in pixels of the crop. Scaling a crop by $k$ multiplies
    $f$ by $k$ and divides $e^s$ by $k$. Another camera or zoom changes $f$, but not
    $s$. Rotations and reflections do not change $f$. So $s$ depends on the image alone.
    The person's true size remains ambiguous: a child looks like an adult who is farther
    away.

    Attributes:
        num_joints: number of joints to predict.
        backbone: one of `backbones.BACKBONES`.
        head_width: channels of the head's branches.
        head_depth: layers of the head's branches.
        keypoints: whether anchors follow 2D keypoints.
        depth_bins: bins in which the depth of a joint is classified; 0: regression.
        dtype: of activations; parameters, pixels and metres stay float32.
    """

    num_joints: int
    backbone: str = "small"
    head_width: int = 64
    head_depth: int = 1
    keypoints: bool = False
    depth_bins: int = 0
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        color_crop: UInt8[Array, "batch frames size size 3"],
        color_crop_matrix: Float[Array, "batch frames 3 3"],
        cam_from_points: Float[Array, "batch 4 4"],
        uv: Float[Array, "batch frames joints 2"] | None = None,
        confidence: Float[Array, "batch frames joints"] | None = None,
        intrinsics: Float[Array, "batch 4"] | None = None,
    ) -> PoseEstimate:
        """Predicts joints in the frame of the depth camera.

        Args:
            color_crop: RGB.
            color_crop_matrix: P of the colour camera, last row (0, 0, 1).
            cam_from_points: from the depth camera to the colour camera, metres.
            uv: keypoints, undistorted pixels of the colour camera; None for none.
            confidence: in [0, 1]; 0 where there is no keypoint.
            intrinsics: (fx, fy, cx, cy) of the colour camera, pixels.
        """
        given = None
        if uv is not None:
            given = keypoint_anchors.in_crop(
                uv,
                _given(confidence, "confidence"),
                _given(intrinsics, "intrinsics")[:, None],
                color_crop_matrix,
                size=color_crop.shape[2],
            )
        core = _make_core(self)
        joints, score, pooled = core(
            backbones.normalize_color(color_crop), keypoints=given
        )
        span = nn.Dense(
            1,
            kernel_init=nn.initializers.variance_scaling(0.01, "fan_in", "normal"),
            precision="highest",
            name="log_metres_per_pixel",
        )(pooled)
        usual = math.log(_PERSON_SIZE / (_CROP_FILL * color_crop.shape[2]))
        determinant = _determinant(color_crop_matrix)
        focal = jnp.sqrt(jnp.abs(determinant))[..., None]
        joints = _add_depth(joints, focal * jnp.exp(span + usual))
        xyz = xyz_from_crop(joints.uv, joints.depth, color_crop_matrix)
        points_from_cam = transforms.invert(cam_from_points)[:, None]
        return PoseEstimate(
            xyz=transforms.apply(points_from_cam, xyz),
            confidence_logit=score,
            crop=joints,
        )


def xyz_from_crop(
    uv: Float[Array, "*batch joints 2"],
    depth: Float[Array, "*batch joints"],
    crop_matrix: Float[Array, "*batch 3 3"],
) -> Float[Array, "*batch joints 3"]:
    """Points at z-depth `depth` behind the pixels of a crop: z P^-1 (u, v, 1).

    Args:
        uv: pixels of the crop.
        depth: z, metres.
        crop_matrix: P, last row (0, 0, 1). All points of a crop whose P has no inverse,
            such as zeros, lie on the optical axis.

    Returns:
        Points, metres, frame of the crop's camera.
    """
    p = crop_matrix[..., None, :, :]
    du, dv = uv[..., 0] - p[..., 0, 2], uv[..., 1] - p[..., 1, 2]
    # Explicit 2x2 inverse: accelerators round the factors of matrix products.
    determinant = jnp.broadcast_to(_determinant(p), du.shape)
    x = numerics.safe_divide(p[..., 1, 1] * du - p[..., 0, 1] * dv, determinant)
    y = numerics.safe_divide(p[..., 0, 0] * dv - p[..., 1, 0] * du, determinant)
    return jnp.stack([x * depth, y * depth, depth], axis=-1)


def _make_core(network: DepthAnchorNet | ColorAnchorNet) -> AnchorCore:
    return AnchorCore(
        network.num_joints,
        network.backbone,
        network.head_width,
        network.head_depth,
        network.keypoints,
        network.depth_bins,
        network.dtype,
        name="core",
    )


def _add_depth(joints: CropEstimate, base: Array) -> CropEstimate:
    """Adds `base` to relative depths, which gives depths from the camera."""
    return dataclasses.replace(joints, depth=base + joints.depth)


def _given(value: Array | None, name: str) -> Array:
    """An input that comes with keypoints.

    Raises:
        ValueError: it is missing.
    """
    if value is None:
        raise ValueError(f"keypoints need {name}")
    return value


def _determinant(matrix: Array) -> Array:
    """Determinant of the upper left 2x2 block."""
    m = matrix
    return m[..., 0, 0] * m[..., 1, 1] - m[..., 0, 1] * m[..., 1, 0]
