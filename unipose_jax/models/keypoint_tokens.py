"""2D keypoints as tokens with 3D positions, to combine with patches of a point cloud.

A keypoint is a ray of its camera. Its token lies on that ray: a learnt distance behind
the first surface that the cloud shows there, or at the depth of the person where the
cloud shows none. Without any cloud the depth of the person follows from the size of the
pose in the image.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import camera, depth, transforms

_SKIN_DEPTH = 0.06  # metres, initial distance of a joint behind the surface
_POSE_RADIUS = 0.5  # metres, initial root-mean-square radius of a pose in the image
_RADIUS = 0.06  # metres around a ray in which the surface is looked up
_HIDDEN = 64  # features of the network that estimates the radius
_MIN_SPREAD = 0.05  # radius of a pose divided by its depth: people within 10 m


class Keypoints(NamedTuple):
    """Keypoints of clips on the plane at z = 1 of their camera."""

    rays: Array  # (batch, frames, joints, 2): x / z and y / z; finite
    confidence: Array  # (batch, frames, joints), in [0, 1]
    found: Array  # (batch, frames, joints) bool
    cam_from_points: Array  # (batch, 4, 4), invertible


def normalize(
    uv: Float[Array, "batch frames joints 2"],
    confidence: Float[Array, "batch frames joints"] | None,
    intrinsics: Float[Array, "batch 4"] | None,
    cam_from_points: Float[Array, "batch 4 4"] | None,
) -> Keypoints:
    """Keypoints as rays; those of a camera without focal length or pose are dropped.

    Args:
        uv: pixels. Ignored, even if NaN, where the confidence is 0.
        confidence: in [0, 1]; 0 where there is no keypoint.
        intrinsics: (fx, fy, cx, cy) of the keypoint camera, pixels.
        cam_from_points: any invertible affine map from the frame of the points to that
            of the keypoint camera, metres.

    Raises:
        ValueError: one of them is missing.
    """
    if confidence is None or intrinsics is None or cam_from_points is None:
        raise ValueError(
            "keypoints need their confidence, intrinsics and cam_from_points"
        )
    determinant = jnp.linalg.det(cam_from_points[:, :3, :3])
    usable = (jnp.abs(determinant) > 1e-6) & (intrinsics[:, :2] > 0.0).all(-1)
    pose = jnp.where(usable[:, None, None], cam_from_points, jnp.eye(4)[None])
    focal = jnp.where(usable[:, None], intrinsics, jnp.array([[1.0, 1.0, 0.0, 0.0]]))
    found = (confidence > 0.0) & usable[:, None, None]
    pixels = jnp.where(found[..., None], uv, focal[:, None, None, 2:])
    rays = camera.xy_from_uv(pixels, focal[:, None])
    return Keypoints(rays, jnp.where(found, confidence, 0.0), found, pose)


class KeypointTokens(nn.Module):
    """Tokens of keypoints: features from the joint's identity, positions from its ray.

    Attributes:
        num_joints: of the skeleton of the keypoints.
        width: features per token.
        dtype: of activations; parameters and positions stay float32.
    """

    num_joints: int
    width: int
    dtype: jnp.dtype = jnp.dtype("float32")

    def setup(self):
        """Makes the parameters."""
        joints = (self.num_joints,)
        self.skin_depth = self.param(
            "skin_depth", nn.initializers.constant(_SKIN_DEPTH), joints
        )
        self.identity = self.param(
            "identity", nn.initializers.normal(1.0), (*joints, self.width)
        )
        self.evidence = nn.Dense(self.width, dtype=self.dtype)
        self.norm = nn.LayerNorm(dtype=self.dtype)
        exact = {"dtype": jnp.float32, "precision": "highest"}
        self.radius_in = nn.Dense(_HIDDEN, **exact)
        self.radius_out = nn.Dense(1, kernel_init=nn.initializers.normal(0.01), **exact)

    def person_depth(
        self, keypoints: Keypoints
    ) -> tuple[Float[Array, "batch frames"], Bool[Array, "batch frames"]]:
        """Depth of the person from the size of the pose in the image.

        A pose whose joints have the root-mean-square distance R from their mean,
        parallel to the image, has that of R / z on the plane at z = 1. The network
        predicts R from the shape of the pose, which does not depend on the distance.

        Returns:
            Depth in the keypoint camera, metres; and whether the frame has two
            keypoints at different places.
        """
        weight = keypoints.found.astype(jnp.float32)[..., None]
        count = jnp.maximum(weight.sum(2, keepdims=True), 1.0)
        middle = (weight * keypoints.rays).sum(2, keepdims=True) / count
        offset = weight * (keypoints.rays - middle)
        spread = jnp.sqrt(jnp.sum(offset**2, (2, 3)) / count[:, :, 0, 0] + 1e-12)
        shape = offset / jnp.maximum(spread, _MIN_SPREAD)[..., None, None]
        seen = jnp.concatenate([shape, weight], -1)
        hidden = nn.gelu(self.radius_in(seen.reshape(*spread.shape, -1)))
        radius = _POSE_RADIUS * jnp.exp(self.radius_out(hidden)[..., 0])
        return radius / jnp.maximum(spread, _MIN_SPREAD), spread > 1e-3

    def middle(self, keypoints: Keypoints) -> Float[Array, "batch 3"]:
        """Mean position of a clip's keypoints without a cloud, metres; 0 without any.

        In the frame of the points.
        """
        away, known = self.person_depth(keypoints)
        found = keypoints.found & known[..., None]
        xyz = _on_rays(keypoints.rays, away[..., None])
        weight = found.astype(jnp.float32)[..., None]
        total = weight.sum((1, 2))
        mean = (weight * xyz).sum((1, 2)) / jnp.maximum(total, 1.0)
        back = _to_points(keypoints, mean[:, None, None])[:, 0, 0]
        return jnp.where(total > 0.0, back, 0.0)

    def __call__(
        self,
        keypoints: Keypoints,
        points: Float[Array, "batch frames points 3"],
        points_valid: Bool[Array, "batch frames points"],
    ) -> tuple[
        Float[Array, "batch frames joints width"],
        Float[Array, "batch frames joints 3"],
    ]:
        """Computes the tokens; those of joints without a keypoint are meaningless.

        Args:
            keypoints: of the clips.
            points: metres. Ignored, even if NaN, where not valid.
            points_valid: which points exist.

        Returns:
            Features, and positions in the frame of the points, metres.
        """
        points = jnp.where(points_valid[..., None], points, 0.0)
        cloud = transforms.apply(keypoints.cam_from_points[:, None], points)
        counted = points_valid.astype(jnp.float32)
        total = counted.sum(-1)
        mean = (counted * cloud[..., 2]).sum(-1) / jnp.maximum(total, 1.0)
        apparent, _ = self.person_depth(keypoints)
        away = jnp.where(total > 0.0, mean, apparent)[..., None]
        surface, on_surface = depth.surface_depth(
            _on_rays(keypoints.rays, jnp.ones_like(keypoints.confidence)),
            cloud,
            points_valid=points_valid,
            radius=_RADIUS,
        )
        behind = surface + self.skin_depth[None, None]
        xyz = _on_rays(keypoints.rays, jnp.where(on_surface, behind, away))
        evidence = [
            keypoints.confidence,
            on_surface,
            jnp.where(on_surface, surface - away, 0.0),
            jnp.broadcast_to(total[..., None] > 0.0, on_surface.shape),
        ]
        seen = jnp.stack([value.astype(self.dtype) for value in evidence], -1)
        features = self.evidence(seen) + self.identity.astype(self.dtype)[None, None]
        return self.norm(features), _to_points(keypoints, xyz)


def mirror(
    uv: Float[Array, "frames joints 2"],
    confidence: Float[Array, "frames joints"],
    *,
    mirrored: Bool[Array, ""],
    permutation: tuple[int, ...],
) -> tuple[Float[Array, "frames joints 2"], Float[Array, "frames joints"]]:
    """Names keypoints as in a view that exchanges left and right, if it is mirrored.

    The pixels stay: the pose of the camera contains the reflection.

    Args:
        uv: pixels.
        confidence: in [0, 1].
        mirrored: whether the view exchanges left and right.
        permutation: of the joints, the skeleton's `mirror`.
    """
    order = jnp.array(permutation)
    return (
        jnp.where(mirrored, uv[:, order], uv),
        jnp.where(mirrored, confidence[:, order], confidence),
    )


def _on_rays(rays: Array, away: Array) -> Array:
    """Points at z-depth `away` on rays (x / z, y / z)."""
    return jnp.concatenate([rays, jnp.ones_like(rays[..., :1])], -1) * away[..., None]


def _to_points(keypoints: Keypoints, xyz: Array) -> Array:
    """From the keypoint camera to the frame of the points: A^-1 (x - t)."""
    pose = keypoints.cam_from_points
    inverse = _inverse(pose[:, :3, :3])
    return jnp.einsum(
        "bij,btnj->btni", inverse, xyz - pose[:, None, None, :3, 3], precision="highest"
    )


def _inverse(matrix: Float[Array, "batch 3 3"]) -> Float[Array, "batch 3 3"]:
    """Inverse of 3x3 matrices: adjugate by determinant, without a factorisation."""
    a, b, c = (matrix[:, row] for row in range(3))
    columns = jnp.stack([jnp.cross(b, c), jnp.cross(c, a), jnp.cross(a, b)], axis=-1)
    determinant = (a * columns[..., 0]).sum(-1)
    return columns / determinant[:, None, None]
