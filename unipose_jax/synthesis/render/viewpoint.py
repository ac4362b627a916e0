"""Sampling of camera poses, intrinsics and the person's orientation."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from unipose_jax.geometry import transforms
from unipose_jax.skeleton import definitions
from unipose_jax.synthesis.uniform_ranges import scale_to_range

BODY = definitions.BODY


@dataclasses.dataclass(frozen=True)
class ViewParams:
    """Cameras and viewpoints; (low, high) are ranges of uniform distributions.

    The mean focal length is that of a Kinect v1, 285.7 px at 320x240, and of the ITOP
    recordings. A registered colour camera coincides with the depth camera; otherwise
    it stands a few centimetres beside it (5 cm for Kinect v2).
    """

    focal: float = 285.7 / 320.0  # image widths
    focal_spread: float = 0.1  # relative, uniform, +-
    center_jitter: float = 0.02  # image widths, uniform, +-
    distance: tuple[float, float] = (2.0, 3.6)  # metres, nearest approach of the pelvis
    close_distance: tuple[float, float] = (0.9, 1.6)  # metres; shows the upper body
    close_share: float = 0.05  # share of clips at the close distance
    camera_height: tuple[float, float] = (0.8, 2.2)  # metres
    top_share: float = 0.0  # share of clips whose camera looks down from the ceiling
    top_height: tuple[float, float] = (2.3, 3.2)  # metres above the floor
    top_aside: float = 0.5  # metres, largest distance from above the person
    roll: float = 0.05  # radians, standard deviation
    aim_jitter: tuple[float, float] = (0.25, 0.15)  # metres, sd, sideways and vertical
    frontal_share: float = 0.8  # share of people who roughly face the camera
    frontal_spread: float = 0.7  # radians, standard deviation of their yaw
    baseline_share: float = 0.3  # share of clips with separate cameras
    baseline: tuple[float, float] = (0.02, 0.06)  # metres


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CameraPair:
    """The two cameras of a clip; both stand still."""

    intrinsics: Array  # (4,) depth camera, pixels
    color_intrinsics: Array  # (4,) keypoint camera, pixels
    cam_from_world: Array  # (4, 4) depth camera
    color_from_depth: Array  # (4, 4) keypoint camera from depth camera


def orient_to_camera(
    key: jax.Array, xyz_world: Float[Array, "frames joints 3"], params: ViewParams
) -> Float[Array, "frames joints 3"]:
    """Rotates a motion about the vertical and moves it to the origin of the floor.

    In the middle frame the person then faces the camera (-z) up to a random yaw in the
    full circle, with a higher probability around zero.

    Args:
        key: random key.
        xyz_world: BODY joints, metres, world (y down); finite.
        params: distribution of the yaw.
    """
    draw = jax.random.uniform(key, (3,))
    middle = xyz_world[xyz_world.shape[0] // 2]
    left = middle[BODY.index("left_hip")] - middle[BODY.index("right_hip")]
    left += middle[BODY.index("left_shoulder")] - middle[BODY.index("right_shoulder")]
    yaw_now = jnp.arctan2(left[2], left[0])
    normal = np.sqrt(2.0) * jax.lax.erf_inv(2.0 * draw[0] - 1.0)
    frontal = params.frontal_spread * jnp.clip(normal, -4.0, 4.0)
    uniform = jnp.pi * (2.0 * draw[1] - 1.0)
    turn = jnp.where(draw[2] < params.frontal_share, frontal, uniform) - yaw_now
    cos, sin = jnp.cos(turn), jnp.sin(turn)
    rotation = jnp.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])
    on_floor = middle[BODY.index("pelvis")] * jnp.array([1.0, 0.0, 1.0])
    moved = xyz_world - on_floor.reshape(1, 1, 3)
    return jnp.einsum("ij,tnj->tni", rotation, moved, precision="highest")


def sample_cameras(
    key: jax.Array,
    xyz_world: Float[Array, "frames joints 3"],
    *,
    height: int,
    width: int,
    params: ViewParams,
) -> CameraPair:
    """Samples a depth camera that looks at the person, and the keypoint camera.

    Args:
        key: random key.
        xyz_world: BODY joints around the origin of the floor, metres, world.
        height: image height, pixels.
        width: image width, pixels.
        params: distributions.
    """
    key_uniform, key_normal = jax.random.split(key)
    draw = jax.random.uniform(key_uniform, (12,))
    normal = jax.random.normal(key_normal, (9,))
    cam_from_world = _camera_pose(draw[:4], normal[:3], xyz_world, params)
    if params.top_share > 0.0:
        extra = jax.random.uniform(jax.random.fold_in(key, 1), (8,))
        above = _ceiling_pose(extra[1:], xyz_world, params)
        from_top = extra[0] < params.top_share
        cam_from_world = jnp.where(from_top, above, cam_from_world)
    intrinsics = _intrinsics(draw[4:8], height, width, params)
    color_intrinsics, color_from_depth = _color_camera(
        draw[8:], normal[3:], intrinsics, params
    )
    return CameraPair(intrinsics, color_intrinsics, cam_from_world, color_from_depth)


def _camera_pose(
    draw: Array, normal: Array, xyz_world: Array, params: ViewParams
) -> Array:
    """Pose of a camera aimed near the pelvis, or the chest of a close person."""
    pelvis = xyz_world[:, BODY.index("pelvis")]
    chest = xyz_world[:, BODY.index("thorax")]
    close = draw[0] < params.close_share
    distance = scale_to_range(draw[1], params.distance)
    distance = jnp.where(
        close, scale_to_range(draw[1], params.close_distance), distance
    )
    height = scale_to_range(draw[2], params.camera_height)
    place = jnp.stack([0.0 * height, -height, jnp.min(pelvis[:, 2]) - distance])
    jitter = normal[:2] * jnp.array(params.aim_jitter)
    jitter = jitter * jnp.clip(distance / 2.5, 0.3, 1.0)
    target = jnp.where(close, chest.mean(axis=0), pelvis.mean(axis=0))
    target = target + jnp.pad(jitter, (0, 1))
    return _look_at(place, target, params.roll * normal[2])


def _ceiling_pose(draw: Array, xyz_world: Array, params: ViewParams) -> Array:
    """Pose of a camera under the ceiling that looks down at the person.

    It stays at least 40 cm above the person, at any angle about its axis.
    """
    pelvis = xyz_world[:, BODY.index("pelvis")].mean(axis=0)
    tall = -jnp.min(xyz_world[..., 1])
    height = scale_to_range(draw[0], params.top_height)
    height = jnp.maximum(height, tall + 0.4)
    angle, away = 2.0 * jnp.pi * draw[1], params.top_aside * jnp.sqrt(draw[2])
    aside = jnp.stack([jnp.cos(angle), 0.0 * angle, jnp.sin(angle)])
    # The camera looks past the middle of the body by up to 0.2 m. An exact look down
    # has no upright direction, which a millimetre avoids.
    place = jnp.stack([pelvis[0], -height, pelvis[2]]) + (away + 1e-3) * aside
    miss = 0.4 * draw[3:5] - 0.2
    target = pelvis + jnp.stack([miss[0], 0.0 * angle, miss[1]])
    return _look_at(place, target, 2.0 * jnp.pi * draw[5])


def _look_at(place: Array, target: Array, roll: Array) -> Array:
    """cam_from_world of a camera at `place` whose axis goes through `target`."""
    forward = (target - place) / jnp.linalg.norm(target - place)
    right = jnp.cross(jnp.array([0.0, 1.0, 0.0]), forward)
    right = right / jnp.linalg.norm(right)
    down = jnp.cross(forward, right)
    cos, sin = jnp.cos(roll), jnp.sin(roll)
    rows = jnp.stack([cos * right + sin * down, cos * down - sin * right, forward])
    shift = -jnp.einsum("ij,j->i", rows, place, precision="highest")
    return transforms.from_rotation_translation(rows, shift)


def _intrinsics(
    draw: Array, height: int, width: int, params: ViewParams
) -> Float[Array, "4"]:
    """Intrinsics in pixels of an image of the given size."""
    signed = 2.0 * draw - 1.0
    focal = params.focal * width * (1.0 + params.focal_spread * signed[0])
    aspect = 1.0 + 0.01 * signed[1]
    center = params.center_jitter * width * signed[2:]
    return jnp.stack(
        [focal, focal * aspect, 0.5 * width + center[0], 0.5 * height + center[1]]
    )


def _color_camera(
    draw: Array, normal: Array, intrinsics: Array, params: ViewParams
) -> tuple[Array, Array]:
    """Intrinsics and pose of the keypoint camera relative to the depth camera."""
    aside = draw[0] < params.baseline_share
    sign = jnp.where(draw[1] < 0.5, 1.0, -1.0)
    shift = 0.004 * normal[:3]
    shift = shift.at[0].add(sign * scale_to_range(draw[2], params.baseline))
    rotation = transforms.rotation_from_euler(0.01 * normal[3:6])
    moved = transforms.from_rotation_translation(rotation, shift)
    zoom = jnp.array([1.0, 1.0, 0.0, 0.0]) * scale_to_range(draw[3], (-0.05, 0.1))
    return (
        jnp.where(aside, intrinsics * (1.0 + zoom), intrinsics),
        jnp.where(aside, moved, jnp.eye(4)),
    )
