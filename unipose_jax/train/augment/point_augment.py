"""Augmentation of point clouds: rotated cameras, scaling, mirroring, occlusion.

The network's input is transformed and its output transformed back, so that losses use
the original camera, keypoints and depth. A rotation of the cloud about the camera
centre is equivalent to panning, tilting or rolling the camera.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from unipose_jax.geometry import transforms


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PointTransform:
    """A linear map of the camera frame, and whether it mirrors left and right."""

    matrix: Array  # (*batch, 3, 3): scale times rotation times mirror
    mirrored: Array  # (*batch,) bool


def sample_transform(
    key: Key[Array, ""],
    *,
    pan: float,
    tilt: float,
    roll: float,
    scale: float,
    mirror: bool,
) -> PointTransform:
    """Samples a transform.

    Args:
        key: a `jax.random.key`.
        pan: largest turn about the y (down) axis, radians.
        tilt: about the x (right) axis.
        roll: about the z (forward) axis.
        scale: sizes are drawn from [1 / (1 + scale), 1 + scale], log-uniformly.
        mirror: whether half of the views swap left and right.
    """
    turn_key, scale_key, mirror_key = jax.random.split(key, 3)
    limits = jnp.array([tilt, pan, roll])
    angles = limits * jax.random.uniform(turn_key, (3,), minval=-1.0, maxval=1.0)
    size = jnp.exp(
        jnp.log1p(scale) * jax.random.uniform(scale_key, minval=-1.0, maxval=1.0)
    )
    mirrored = jax.random.bernoulli(mirror_key, 0.5 if mirror else 0.0)
    flip = jnp.array([1.0, 1.0, 1.0]).at[0].set(jnp.where(mirrored, -1.0, 1.0))
    rotation = transforms.rotation_from_euler(angles)
    return PointTransform(matrix=size * rotation * flip[None, :], mirrored=mirrored)


def transform_points(
    transform: PointTransform, xyz: Float[Array, "frames n 3"]
) -> Float[Array, "frames n 3"]:
    """Transforms points, metres, from the original camera frame to that of the view."""
    return jnp.einsum("ij,tnj->tni", transform.matrix, xyz, precision="highest")


def invert_joints(
    transform: PointTransform,
    xyz: Float[Array, "frames joints 3"],
    *,
    mirror: tuple[int, ...],
) -> Float[Array, "frames joints 3"]:
    """Transforms predicted joints, metres, back to the original camera frame.

    Args:
        transform: as drawn; `mirror` permutes its joints if it is mirrored.
        xyz: joints in the frame of the view.
        mirror: the skeleton's permutation that swaps left and right.
    """
    inverse = jnp.linalg.inv(transform.matrix)
    back = jnp.einsum("ij,tnj->tni", inverse, xyz, precision="highest")
    return jnp.where(transform.mirrored, back[:, jnp.array(mirror)], back)


def invert_scores(
    transform: PointTransform,
    score: Float[Array, "*shape classes"],
    *,
    mirror: tuple[int, ...],
) -> Float[Array, "*shape classes"]:
    """Scores of joints or body parts predicted in the view, in the original order."""
    return jnp.where(transform.mirrored, score[..., jnp.array(mirror)], score)


def random_occlusion(
    key: Key[Array, ""],
    points: Float[Array, "frames n 3"],
    valid: Bool[Array, "frames n"],
    *,
    probability: float,
    radius: tuple[float, float],
) -> Bool[Array, "frames n"]:
    """Removes the points in a ball around a random point, which simulates an occluder.

    The keypoints do not change, so the network learns to predict occluded limbs.

    Args:
        key: a `jax.random.key`.
        points: metres, camera frame.
        valid: which points exist.
        probability: share of clips with a hole.
        radius: smallest and largest radius, metres.

    Returns:
        `valid` without the hidden points.
    """
    gate_key, center_key, radius_key = jax.random.split(key, 3)
    frames, count, _ = points.shape
    center = points.reshape(-1, 3)[
        jax.random.randint(center_key, (), 0, frames * count)
    ]
    size = jax.random.uniform(radius_key, minval=radius[0], maxval=radius[1])
    sq_dist = ((points - center[None, None, :]) ** 2).sum(-1)
    hidden = (sq_dist < size**2) & jax.random.bernoulli(gate_key, probability)
    return valid & ~hidden


def transform_crops(
    transform: PointTransform, crops: Mapping[str, Array]
) -> dict[str, Array]:
    """Transforms the crops of a clip and their cameras to match the transformed points.

    Images are mirrored if the transform mirrors and do not change otherwise. A point
    M p of the view, p in the original frame, projects on the pixel of p: the camera
    matrix P becomes P M^-1 (depth), and the transform to the colour camera [R | t]
    becomes [R M^-1 | t]. Depth is multiplied by the scale of M.

    Args:
        transform: as drawn.
        crops: batch fields of one clip (`schema`), of depth, colour or both.

    Returns:
        The same fields. `depth_crop_matrix` is then no pinhole matrix and
        `cam_from_points` not rigid; they are valid for projection only.
    """
    inverse = jnp.linalg.inv(transform.matrix)
    transformed = dict(crops)
    if "depth_crop" in crops:
        size = jnp.cbrt(jnp.abs(jnp.linalg.det(transform.matrix)))
        image, matrix = _flip_images(
            transform, crops["depth_crop"], crops["depth_crop_matrix"]
        )
        transformed["depth_crop"] = size * image
        transformed["depth_crop_matrix"] = jnp.matmul(
            matrix, inverse, precision="highest"
        )
        transformed["reference_depth"] = size * crops["reference_depth"]
    if "color_crop" in crops:
        transformed["color_crop"], transformed["color_crop_matrix"] = _flip_images(
            transform, crops["color_crop"], crops["color_crop_matrix"]
        )
        transformed["cam_from_points"] = transform_camera(
            transform, crops["cam_from_points"]
        )
    return transformed


def transform_camera(
    transform: PointTransform, cam_from_points: Float[Array, "4 4"]
) -> Float[Array, "4 4"]:
    """Transform from the points of the view to an unchanged camera: A M^-1.

    The result is not rigid. It is valid for projection, and for rays.
    """
    undo = jnp.eye(4).at[:3, :3].set(jnp.linalg.inv(transform.matrix))
    return jnp.matmul(cam_from_points, undo, precision="highest")


def _flip_images(
    transform: PointTransform, images: Array, matrix: Array
) -> tuple[Array, Array]:
    """Images (frames, size, size, ...) and camera matrices, flipped if `mirrored`."""
    flip = jnp.diag(jnp.array([-1.0, 1.0, 1.0])).at[0, 2].set(images.shape[2])
    flipped = jnp.matmul(flip[None], matrix, precision="highest")
    return (
        jnp.where(transform.mirrored, images[:, :, ::-1], images),
        jnp.where(transform.mirrored, flipped, matrix),
    )
