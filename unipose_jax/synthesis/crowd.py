"""Rendered images of several people who occlude each other.

The functions that render a clip of one person are used with people in place of frames;
the surface nearest to the camera is visible. Pure functions of (seed, split, index).
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import camera, transforms
from unipose_jax.skeleton import definitions
from unipose_jax.synthesis import scene
from unipose_jax.synthesis.motion import body_shape as shapes
from unipose_jax.synthesis.motion import procedural as motions
from unipose_jax.synthesis.render import body, images, raycast, shading, viewpoint
from unipose_jax.synthesis.render import room as rooms
from unipose_jax.synthesis.sensing import detector as detectors

_ABSENT_DISTANCE = 100.0  # metres behind the camera at which absent people are placed
_SKIN = 0.12  # metres that a visible joint may lie under the surface


@dataclasses.dataclass(frozen=True)
class CrowdParams:
    """All parameters of an image except its random key.

    People stand on one floor, in lanes side by side that widen with the distance, so
    that their bodies do not intersect.
    """

    people: tuple[int, int] = (2, 4)  # fewest and most
    height: int = 96  # pixels
    width: int = 128  # pixels
    skeleton: str = "COCO17"
    depth_range: float = 4.0  # metres from the nearest to the farthest place
    lane: float = 0.6  # metres, at the nearest place
    jitter: float = 0.12  # metres, uniform, +-
    hidden_margin: float = 0.1  # metres; a joint this far behind a surface is hidden
    shape: shapes.ShapeParams = shapes.ShapeParams(child_share=0.1)
    motion: motions.MotionParams = motions.MotionParams()
    view: viewpoint.ViewParams = viewpoint.ViewParams(distance=(1.8, 3.6))
    room: rooms.RoomParams = rooms.RoomParams(occluder_share=0.1)
    detector: detectors.DetectorParams = detectors.DetectorParams()


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Crowd:
    """People, room, camera and colours of an image, without simulated errors."""

    xyz_world: Array  # (people, BODY joints, 3) metres
    primitives: raycast.Primitives  # (people, parts), metres, world
    stature: Array  # (people,) metres
    present: Array  # (people,) bool; the others are behind the camera
    surroundings: rooms.Room
    view: viewpoint.CameraPair
    appearance: shading.Appearance  # (people, ...)


def render_image(key: jax.Array, params: CrowdParams) -> dict[str, Array]:
    """Renders one image; use `vmap` over keys for several.

    Args:
        key: from `scene.clip_key`.
        params: static; a jitted caller closes over it.

    Returns:
        For at most P = `params.people[1]` people of J joints: "color" uint8
        (height, width, 3), sRGB; "depth" (height, width), exact z, metres; "person"
        int32 (height, width), index of the person at each pixel, -1 for none; "uv"
        (P, J, 2) pixels and "confidence" (P, J), as detected, 0 if missing; "xyz"
        (P, J, 3), metres, camera frame, and "visible" (P, J), the ground truth;
        "present" (P,); "stature" (P,), metres; "intrinsics" (4,), pixels.
    """
    key_crowd, key_uv = jax.random.split(key)
    return scene_fields(key_uv, sample_crowd(key_crowd, params), params)


def scene_fields(key: jax.Array, crowd: Crowd, params: CrowdParams) -> dict[str, Array]:
    """Fields of `render_image` for a given crowd; `key` is for the detector errors."""
    crowd = raycast.materialize(crowd)
    color, depth, person = render_pixels(
        crowd, height=params.height, width=params.width
    )
    return {
        "color": color,
        "depth": depth,
        "person": person,
        "present": crowd.present,
        "stature": jnp.where(crowd.present, crowd.stature, 0.0),
        "intrinsics": crowd.view.intrinsics,
        **_joint_fields(key, crowd, params),
    }


def sample_crowd(key: jax.Array, params: CrowdParams) -> Crowd:
    """Samples people, their positions, room, camera and colours."""
    keys = jax.random.split(key, 7)
    most = params.people[1]
    people = jax.vmap(lambda k: shapes.sample_shape(k, params.shape))(
        jax.random.split(keys[0], most)
    )
    xyz = jax.vmap(functools.partial(_sample_pose, params=params))(
        jax.random.split(keys[1], most), people
    )
    count = jax.random.randint(keys[2], (), params.people[0], most + 1)
    present = jnp.arange(most) < count
    xyz = xyz + _floor_positions(keys[3], count, params)[:, None, :]
    # Camera and room are sampled with absent people at the position of the first one.
    there = jnp.where(present[:, None, None], xyz, xyz[:1])
    size = {"height": params.height, "width": params.width}
    view = viewpoint.sample_cameras(keys[4], there, **size, params=params.view)
    place = transforms.invert(view.cam_from_world)[:3, 3]
    surroundings = rooms.sample_room(
        keys[5], there, place, stature=people.stature[0], params=params.room
    )
    appearance = jax.vmap(
        lambda k: shading.sample_appearance(
            k, surfaces=rooms.num_surfaces(surroundings)
        )
    )(jax.random.split(keys[6], most))
    away = place - _ABSENT_DISTANCE * transforms.invert(view.cam_from_world)[:3, 2]
    xyz = jnp.where(present[:, None, None], xyz, away.reshape(1, 1, 3))
    primitives = body.primitives(
        jnp.where(present[:, None, None], xyz, there + away.reshape(1, 1, 3)),
        stature=people.stature,
        girth=people.girth,
        looseness=appearance.looseness,
    )
    return Crowd(
        xyz, primitives, people.stature, present, surroundings, view, appearance
    )


def _sample_pose(key: jax.Array, person: shapes.Shape, *, params: CrowdParams) -> Array:
    """Joints at one time of a motion, at the floor's origin, (BODY joints, 3)."""
    key_motion, key_turn = jax.random.split(key)
    moment = jnp.zeros(1)
    xyz = motions.sample_motion(key_motion, person, moment, params.motion)
    xyz = raycast.materialize(xyz)
    return viewpoint.orient_to_camera(key_turn, xyz, params.view)[0]


def _floor_positions(key: jax.Array, count: Array, params: CrowdParams) -> Array:
    """Positions of people on the floor, (people, 3), metres, world."""
    most = params.people[1]
    keys = jax.random.split(key, 3)
    lane = jax.random.permutation(keys[0], most).astype(jnp.float32)
    # Lanes of the people who are present, without gaps between them.
    there = jnp.arange(most) < count
    before = (lane[None, :] < lane[:, None]) & there[None, :]
    lane = jnp.sum(before, axis=1) - 0.5 * (count - 1)
    depth = params.depth_range * jax.random.uniform(keys[1], (most,))
    shift = params.jitter * (2.0 * jax.random.uniform(keys[2], (most,)) - 1.0)
    widening = 1.0 + depth / (2.0 * params.depth_range)
    aside = (lane * params.lane + shift) * widening
    return jnp.stack([aside, jnp.zeros(most), depth], axis=-1)


def render_pixels(
    crowd: Crowd, *, height: int, width: int
) -> tuple[Array, Array, Array]:
    """Colour, depth and person index of the nearest surface at each pixel."""
    view, size = crowd.view, {"height": height, "width": width}
    dirs = raycast.pixel_dirs(view.intrinsics, **size)
    primitives = raycast.transform(crowd.primitives, view.cam_from_world)
    depths, part = raycast.cast(primitives, view.intrinsics, **size)
    fronts = jax.vmap(images.shade_person, in_axes=(0, 0, 0, 0, None, None))(
        crowd.appearance, primitives, part, depths, view.cam_from_world, dirs
    )
    first = jax.tree.map(lambda leaf: leaf[0], crowd.appearance)
    behind, back = images.room_colors(
        crowd.surroundings, first, view.cam_from_world, dirs
    )
    owner = jnp.argmin(depths, axis=0)
    front = jnp.take_along_axis(depths, owner[None], axis=0)[0]
    color = jnp.take_along_axis(fronts, owner[None, ..., None], axis=0)[0]
    is_person = front < behind
    color = shading.to_srgb(jnp.where(is_person[..., None], color, back))
    depth = jnp.minimum(front, behind)
    return color, depth, jnp.where(is_person, owner, -1)


def _joint_fields(
    key: jax.Array, crowd: Crowd, params: CrowdParams
) -> dict[str, Array]:
    """Ground-truth joints and detected keypoints in the output skeleton."""
    target = definitions.by_name(params.skeleton)
    # BODY contains the joints of all skeletons.
    world, _ = definitions.convert(crowd.xyz_world, definitions.BODY, target)
    xyz = transforms.apply(crowd.view.cam_from_world, jnp.asarray(world))
    ahead = crowd.present[:, None] & (xyz[..., 2] > 0.1)
    xyz = jnp.where(ahead[..., None], xyz, jnp.array([0.0, 0.0, 1.0]).reshape(1, 1, 3))
    visible = joint_visibility(crowd, xyz, params) & ahead

    def detect(key, xyz, visible, stature):
        found = detectors.simulate(
            key,
            xyz[None],
            visible[None],
            intrinsics=crowd.view.intrinsics,
            stature=stature,
            size=(params.height, params.width),
            fps=1.0,  # of any value for a single image
            skeleton=target,
            params=params.detector,
        )
        return jax.tree.map(lambda value: value[0], found)

    keys = jax.random.split(key, len(xyz))
    detected, confidence = jax.vmap(detect)(keys, xyz, visible, crowd.stature)
    limit = jnp.array([params.width, params.height]).reshape(1, 1, 2)
    inside = ahead & jnp.all((detected >= 0.0) & (detected < limit), axis=-1)
    return {
        "uv": jnp.where(inside[..., None], detected, 0.0),
        "confidence": jnp.where(inside, confidence, 0.0),
        "xyz": jnp.where(ahead[..., None], xyz, 0.0),
        "visible": visible,
    }


def joint_visibility(
    crowd: Crowd, xyz: Float[Array, "people joints 3"], params: CrowdParams
) -> Bool[Array, "people joints"]:
    """Whether each joint is inside the image and not occluded by a person or the room.

    Args:
        crowd: people and room, which can occlude joints.
        xyz: joints, metres, camera frame, in front of the camera.
        params: image size and margin.
    """
    dirs = (xyz / xyz[..., 2:]).reshape(-1, 3)
    view = crowd.view
    primitives = raycast.transform(crowd.primitives, view.cam_from_world)
    everyone = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), primitives)
    first = raycast.cast_rays(everyone, dirs).min(axis=-1)
    world_from_cam = transforms.invert(view.cam_from_world)
    world_dirs = transforms.rotate(world_from_cam, dirs)
    behind, *_ = rooms.cast(crowd.surroundings, world_from_cam[:3, 3], world_dirs)
    first = jnp.minimum(first, behind).reshape(xyz.shape[:-1])
    uv = camera.uv_from_xyz(xyz, view.intrinsics)
    limit = jnp.array([params.width, params.height]).reshape(1, 1, 2)
    inside = jnp.all((uv >= 0.0) & (uv < limit), axis=-1)
    allowed = params.hidden_margin + _SKIN * (crowd.stature[:, None] / 1.8)
    return inside & (xyz[..., 2] - first < allowed)


def render_images(
    seed: int, split: str, start: int, count: int, params: CrowdParams
) -> dict[str, np.ndarray]:
    """Renders images `start` to `start + count` of a split.

    Args:
        seed: of the whole data set.
        split: one of `scene.SPLITS`.
        start: index of the first image.
        count: number of images.
        params: parameters of the images.

    Returns:
        The dict of `render_image`, NumPy arrays with a leading axis.
    """
    key, draw = scene.split_key(seed, split), _renderer(params)
    rows = [jax.device_get(draw(key, start + index)) for index in range(count)]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


@functools.lru_cache(maxsize=8)
def _renderer(params: CrowdParams):
    return jax.jit(
        lambda key, index: render_image(jax.random.fold_in(key, index), params)
    )
