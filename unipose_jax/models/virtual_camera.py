"""The viewing frame: the camera turned so that it looks straight at the person.

What a person looks like there depends neither on the camera's intrinsics nor on where
in the picture the person is. Sizes in it are shares of the person's apparent size.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import camera, numerics

DEPTH_TIMES_SIZE = 0.45
"""Depth of a person (m) times the apparent size: the RMS distance of the joints from
their centre in the image plane, metres (HumanEva-I: 0.38 to 0.50)."""


_MIN_SIZE = 1e-3  # apparent size of somebody 450 m away
_SIZE_PER_CROP = 0.22  # apparent size of a person for a crop of size 1 around it


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class VirtualCamera:
    """Where a person is looked at, and how large the person looks."""

    rotation: Array  # (*batch, frames, 3, 3), camera to viewing frame
    # (*batch,), apparent size of the person in the clip, dimensionless
    apparent_size: Array

    @property
    def depth(self) -> Array:
        """Depth of a person of usual size who looks so large: (*batch,), metres."""
        return DEPTH_TIMES_SIZE / self.apparent_size

    def to_camera(self, xyz: Array) -> Array:
        """Points (*batch, frames, n, 3) of the viewing frame, in the camera's."""
        return jnp.einsum(
            "...tji,...tnj->...tni", self.rotation, xyz, precision="highest"
        )

    def from_camera(self, xyz: Array) -> Array:
        """Points (*batch, frames, n, 3) of the camera's frame, in the viewing frame."""
        return jnp.einsum(
            "...tij,...tnj->...tni", self.rotation, xyz, precision="highest"
        )

    def project(self, xyz: Array) -> Array:
        """Points of the viewing frame on the image plane, by apparent size."""
        scale = self.apparent_size[..., None, None, None] * jnp.maximum(
            xyz[..., 2:], 0.1
        )
        return xyz[..., :2] / scale


def from_keypoints(
    uv: Float[Array, "*batch frames joints 2"],
    seen: Bool[Array, "*batch frames joints"],
    intrinsics: Float[Array, "*batch 4"],
) -> tuple[VirtualCamera, Float[Array, "*batch frames joints 2"]]:
    """Looks at the middle of the keypoints of each frame.

    Args:
        uv: undistorted pixels; ignored where not `seen`.
        seen: which keypoints are known. A frame without any is looked at straight
            ahead.
        intrinsics: (fx, fy, cx, cy), pixels.

    Returns:
        The viewing frame, and the keypoints on its plane, by apparent size; zero where
        they are not seen.
    """
    rays = _rays(uv, seen, intrinsics)
    ahead = jnp.zeros_like(rays[..., 0, :]).at[..., 2].set(1e-6)
    center = numerics.safe_normalize(rays.sum(axis=-2) + ahead)
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
    """Keypoints on the plane of a view, by its size; zero where not `seen`.

    Args:
        view: where is looked at.
        uv: undistorted pixels.
        seen: which keypoints are known.
        intrinsics: (fx, fy, cx, cy), pixels.
    """
    turned = view.from_camera(_rays(uv, seen, intrinsics))
    plane = turned[..., :2] / jnp.maximum(turned[..., 2:], 0.1)
    return plane / view.apparent_size[..., None, None, None]


def _rays(uv, seen, intrinsics):
    """Unit rays in the camera's frame, zero where not seen."""
    safe = jnp.where(seen[..., None], uv, intrinsics[..., None, None, 2:])
    rays = camera.ray_dirs_from_uv(safe, intrinsics[..., None, :])
    return jnp.where(seen[..., None], rays, 0.0)


def rotation_to_optical_axis(
    direction: Float[Array, "*batch 3"],
) -> Float[Array, "*batch 3 3"]:
    """The rotation that pans, then tilts a camera until `direction` is its z axis.

    The x axis stays level with the camera's, so that a person stays upright.
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
    """Looks at the middle of the square crop around a person in each frame.

    Args:
        matrix: P, which maps (x / z, y / z, 1) to pixels of the crop.
        size: of the crop, pixels.
    """
    inverse = jnp.linalg.inv(matrix)
    middle = jnp.array([size / 2.0, size / 2.0, 1.0])
    center = jnp.einsum("...ij,j->...i", inverse, middle, precision="highest")
    extent = size * jnp.sqrt(jnp.abs(jnp.linalg.det(inverse[..., :2, :2])))
    looks = jnp.mean(extent, axis=-1) * _SIZE_PER_CROP
    return VirtualCamera(
        rotation_to_optical_axis(numerics.safe_normalize(center)), looks
    )
