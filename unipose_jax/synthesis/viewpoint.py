"""Where the cameras stand and how the person is turned towards them."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from unipose_jax.geometry import transforms
from unipose_jax.skeleton import definitions

BODY = definitions.BODY


@dataclasses.dataclass(frozen=True)
class ViewParams:
    """Cameras and viewpoints; (low, high) are ranges of uniform distributions.

    The mean focal length is that of a Kinect v1, 285.7 px at 320x240, and of the ITOP
    recordings. A registered colour camera coincides with the depth camera; otherwise
    it stands a few centimetres aside, like the 5 cm of Kinect v2.
    """

    focal: float = 285.7 / 320.0  # image widths
    focal_spread: float = 0.1  # relative, uniform, +-
    center_jitter: float = 0.02  # image widths, uniform, +-
    distance: tuple[float, float] = (1.8, 3.6)  # metres, nearest approach of the pelvis
    close_distance: tuple[float, float] = (0.9, 1.6)  # metres; the upper body is seen
    close_share: float = 0.1
    camera_height: tuple[float, float] = (0.8, 2.2)  # metres
    roll: float = 0.05  # radians, standard deviation
    aim_jitter: tuple[float, float] = (0.25, 0.15)  # metres, sd, sideways and vertical
    frontal_share: float = 0.7  # people who rather face the camera
    frontal_spread: float = 0.9  # radians, standard deviation of their yaw
    baseline_share: float = 0.3  # clips whose colour camera stands aside
    baseline: tuple[float, float] = (0.02, 0.06)  # metres


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class View:
    """The two cameras of a clip; both stand still."""

    intrinsics: Array  # (4,) depth camera, pixels
    color_intrinsics: Array  # (4,) keypoint camera, pixels
    cam_from_world: Array  # (4, 4) depth camera
    color_from_depth: Array  # (4, 4) keypoint camera from depth camera


def turn_to_camera(
    key: jax.Array, xyz_world: Float[Array, "frames joints 3"], params: ViewParams
) -> Float[Array, "frames joints 3"]:
    """Turns a motion about the vertical and moves it to the origin of the floor.

    In the middle frame the person then faces the camera (-z) but for a random yaw:
    any of 360 degrees, with more weight around zero.

    Args:
        key: random key.
        xyz_world: BODY joints, metres, world (y down); finite.
        params: distribution of the yaw.
    """
    keys = jax.random.split(key, 3)
    middle = xyz_world[xyz_world.shape[0] // 2]
    left = middle[BODY.index("left_hip")] - middle[BODY.index("right_hip")]
    left += middle[BODY.index("left_shoulder")] - middle[BODY.index("right_shoulder")]
    yaw_now = jnp.arctan2(-left[2], left[0])
    uniform = jax.random.uniform(keys[0], minval=-jnp.pi, maxval=jnp.pi)
    frontal = params.frontal_spread * jax.random.normal(keys[1])
    is_frontal = jax.random.bernoulli(keys[2], params.frontal_share)
    turn = jnp.where(is_frontal, frontal, uniform) - yaw_now
    cos, sin = jnp.cos(turn), jnp.sin(turn)
    rotation = jnp.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])
    on_floor = middle[BODY.index("pelvis")] * jnp.array([1.0, 0.0, 1.0])
    moved = xyz_world - on_floor.reshape(1, 1, 3)
    return jnp.einsum("ij,tnj->tni", rotation, moved, precision="highest")


def sample_view(
    key: jax.Array,
    xyz_world: Float[Array, "frames joints 3"],
    *,
    height: int,
    width: int,
    params: ViewParams,
) -> View:
    """Draws a depth camera that looks at the person, and the keypoint camera.

    Args:
        key: random key.
        xyz_world: BODY joints around the origin of the floor, metres, world.
        height: image height, pixels.
        width: image width, pixels.
        params: distributions.
    """
    keys = jax.random.split(key, 4)
    close = jax.random.bernoulli(keys[0], params.close_share)
    cam_from_world = _aimed_camera(keys[1], xyz_world, close, params)
    intrinsics = _intrinsics(keys[2], height, width, params)
    color_intrinsics, color_from_depth = _color_camera(keys[3], intrinsics, params)
    return View(intrinsics, color_intrinsics, cam_from_world, color_from_depth)


def _uniform(key: jax.Array, limits: tuple[float, float]) -> Array:
    return jax.random.uniform(key, minval=limits[0], maxval=limits[1])


def _aimed_camera(
    key: jax.Array, xyz_world: Array, close: Array, params: ViewParams
) -> Array:
    """Pose of a camera aimed near the pelvis, or the chest of a close person."""
    keys = jax.random.split(key, 5)
    pelvis = xyz_world[:, BODY.index("pelvis")]
    chest = xyz_world[:, BODY.index("thorax")]
    distance = jnp.where(
        close,
        _uniform(keys[0], params.close_distance),
        _uniform(keys[1], params.distance),
    )
    place = jnp.stack(
        [
            jnp.float32(0.0),
            -_uniform(keys[2], params.camera_height),
            jnp.min(pelvis[:, 2]) - distance,
        ]
    )
    jitter = jax.random.normal(keys[3], (2,)) * jnp.array(params.aim_jitter)
    jitter = jitter * jnp.clip(distance / 2.5, 0.3, 1.0)
    target = jnp.where(close, chest.mean(axis=0), pelvis.mean(axis=0))
    target = target + jnp.stack([jitter[0], jitter[1], 0.0 * distance])
    return _look_at(place, target, params.roll * jax.random.normal(keys[4]))


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
    key: jax.Array, height: int, width: int, params: ViewParams
) -> Float[Array, "4"]:
    """Intrinsics in pixels of an image of the given size."""
    keys = jax.random.split(key, 3)
    spread = params.focal_spread
    focal = params.focal * width * (1.0 + _uniform(keys[0], (-spread, spread)))
    aspect = 1.0 + _uniform(keys[1], (-0.01, 0.01))
    jitter = params.center_jitter * width
    center = jax.random.uniform(keys[2], (2,), minval=-jitter, maxval=jitter)
    return jnp.stack(
        [focal, focal * aspect, 0.5 * width + center[0], 0.5 * height + center[1]]
    )


def _color_camera(
    key: jax.Array, intrinsics: Array, params: ViewParams
) -> tuple[Array, Array]:
    """Intrinsics and pose of the keypoint camera relative to the depth camera."""
    keys = jax.random.split(key, 6)
    aside = jax.random.bernoulli(keys[0], params.baseline_share)
    sign = jnp.where(jax.random.bernoulli(keys[1]), 1.0, -1.0)
    shift = 0.004 * jax.random.normal(keys[2], (3,))
    shift = shift.at[0].add(sign * _uniform(keys[3], params.baseline))
    angles = 0.01 * jax.random.normal(keys[4], (3,))
    moved = transforms.from_rotation_translation(
        transforms.rotation_from_euler(angles), shift
    )
    zoom = 1.0 + _uniform(keys[5], (-0.05, 0.1))
    zoomed = intrinsics * jnp.stack([zoom, zoom, jnp.ones(()), jnp.ones(())])
    return (
        jnp.where(aside, zoomed, intrinsics),
        jnp.where(aside, moved, jnp.eye(4)),
    )
