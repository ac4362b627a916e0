"""Virtual camera: the real camera rotated so that it points straight at the person.

In its frame the appearance of a person depends neither on the camera's intrinsics nor
on the person's position in the image. Coordinates on its image plane are divided by the
person's apparent size.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import camera, numerics

DEPTH_TIMES_SIZE = 0.45
"""Depth of a person (m) times the apparent size: the RMS distance of the joints from
their centre, parallel to the image plane, metres (HumanEva-I: 0.38 to 0.50)."""


_MIN_SIZE = 1e-3  # apparent size of a person at 450 m
_SIZE_PER_CROP = 0.22  # apparent size of a person relative to the size of its crop


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class VirtualCamera:
    """Rotation towards a person, and the person's apparent size."""

    rotation: Array  # (*batch, frames, 3, 3), camera to virtual camera
    # (*batch,), apparent size of the person in the clip, dimensionless
    apparent_size: Array

    @property
    def depth(self) -> Array:
        """Depth of a person of average size at this apparent size, (*batch,), m."""
        return DEPTH_TIMES_SIZE / self.apparent_size

    def to_camera(self, xyz: Array) -> Array:
        """Transforms points (*batch, frames, n, 3) to the camera frame."""
        return jnp.einsum(
            "...tji,...tnj->...tni", self.rotation, xyz, precision="highest"
        )

    def from_camera(self, xyz: Array) -> Array:
        """Transforms points (*batch, frames, n, 3) from the camera frame."""
        return jnp.einsum(
            "...tij,...tnj->...tni", self.rotation, xyz, precision="highest"
        )

    def project(self, xyz: Array) -> Array:
        """Projects points of the virtual camera's frame; divides by apparent size."""
        scale = self.apparent_size[..., None, None, None] * jnp.maximum(
            xyz[..., 2:], 0.1
        )
        return xyz[..., :2] / scale


def from_keypoints(
    uv: Float[Array, "*batch frames joints 2"],
    seen: Bool[Array, "*batch frames joints"],
    intrinsics: Float[Array, "*batch 4"],
) -> tuple[VirtualCamera, Float[Array, "*batch frames joints 2"]]:
    """Points the virtual camera at the middle of the keypoints of each frame.

    Args:
        uv: undistorted pixels; ignored where not `seen`.
        seen: mask of known keypoints. In a frame without any, the virtual camera points
            at the middle of those of all frames; in a clip without any, it has the
            direction of the real one.
        intrinsics: (fx, fy, cx, cy), pixels.

    Returns:
        The virtual camera, and the keypoints on its image plane, divided by the
        apparent size; zero where not `seen`.
    """
    rays = _rays(uv, seen, intrinsics)
    ahead = jnp.zeros_like(rays[..., 0, :]).at[..., 2].set(1e-6)
    sums = rays.sum(axis=-2)
    alone = seen.any(axis=-1)[..., None]
    sums = jnp.where(alone, sums, sums.sum(axis=-2, keepdims=True))
    center = numerics.safe_normalize(sums + ahead)
    view = VirtualCamera(
        rotation_to_optical_axis(center), jnp.ones_like(center[..., 0, 0])
    )
    plane = normalize_keypoints(view, uv, seen, intrinsics)
    count = jnp.maximum(seen.sum(axis=(-2, -1)), 1)
    size = jnp.sqrt((plane**2).sum(axis=(-3, -2, -1)) / count)
    size = jnp.maximum(size, _MIN_SIZE)
    return VirtualCamera(view.rotation, size), plane / size[..., None, None, None]


def normalize_keypoints(
    view: VirtualCamera,
    uv: Float[Array, "*batch frames joints 2"],
    seen: Bool[Array, "*batch frames joints"],
    intrinsics: Float[Array, "*batch 4"],
) -> Float[Array, "*batch frames joints 2"]:
    """Keypoints on a virtual image plane, divided by the apparent size.

    Args:
        view: the virtual camera.
        uv: undistorted pixels; ignored where not `seen`.
        seen: mask of known keypoints; the result is zero elsewhere.
        intrinsics: (fx, fy, cx, cy), pixels.
    """
    turned = view.from_camera(_rays(uv, seen, intrinsics))
    plane = turned[..., :2] / jnp.maximum(turned[..., 2:], 0.1)
    return plane / view.apparent_size[..., None, None, None]


def _rays(uv, seen, intrinsics):
    """Unit rays in the camera frame, zero where not seen."""
    safe = jnp.where(seen[..., None], uv, intrinsics[..., None, None, 2:])
    rays = camera.ray_dirs_from_uv(safe, intrinsics[..., None, :])
    return jnp.where(seen[..., None], rays, 0.0)


def rotation_to_optical_axis(
    direction: Float[Array, "*batch 3"],
) -> Float[Array, "*batch 3 3"]:
    """Rotation that pans, then tilts a camera so that `direction` is its z axis.

    There is no roll: the x axis stays horizontal in the camera frame, so that a person
    stays upright.
    """
    x, y, z = jnp.moveaxis(direction, -1, 0)
    level = numerics.safe_norm(jnp.stack([x, z], axis=-1))
    cos, sin = numerics.safe_divide(z, level), numerics.safe_divide(x, level)
    zero = jnp.zeros_like(x)
    rows = [
        jnp.stack([cos, zero, -sin], axis=-1),
        jnp.stack([-y * sin, level, -y * cos], axis=-1),
        jnp.stack([x, y, z], axis=-1),
    ]
    return jnp.stack(rows, axis=-2)


def from_crops(
    matrix: Float[Array, "*batch frames 3 3"], *, size: int
) -> VirtualCamera:
    """Points the virtual camera at the middle of the square crop of each frame.

    Args:
        matrix: P, which maps (x / z, y / z, 1) to pixels of the crop.
        size: side of the crop, pixels.
    """
    inverse = jnp.linalg.inv(matrix)
    middle = jnp.array([size / 2.0, size / 2.0, 1.0])
    center = jnp.einsum("...ij,j->...i", inverse, middle, precision="highest")
    extent = size * jnp.sqrt(jnp.abs(jnp.linalg.det(inverse[..., :2, :2])))
    apparent_size = jnp.mean(extent, axis=-1) * _SIZE_PER_CROP
    return VirtualCamera(
        rotation_to_optical_axis(numerics.safe_normalize(center)), apparent_size
    )
