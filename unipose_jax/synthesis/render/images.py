"""Images of a scene: exact and measured depth, mask and colour; occlusion tests."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from unipose_jax.geometry import numerics, transforms
from unipose_jax.synthesis.render import body, raycast, room, shading, viewpoint
from unipose_jax.synthesis.sensing import person_points, sensor


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scene:
    """Person, room, cameras and colours of a clip, without simulated errors."""

    xyz_world: Array  # (frames, BODY joints, 3) metres
    person: raycast.Primitives  # (frames, parts), metres, world
    stature: Array  # () metres
    surroundings: room.Room
    view: viewpoint.CameraPair
    appearance: shading.Appearance


def depth_images(
    key: jax.Array,
    scene: Scene,
    *,
    height: int,
    width: int,
    sensor_params: sensor.SensorParams,
    segmentation: person_points.SegmentationParams,
) -> dict[str, Array]:
    """Renders the images of the depth camera.

    Args:
        key: random key of the camera's and the segmentation's errors.
        scene: the scene to render.
        height: image height, pixels.
        width: image width, pixels.
        sensor_params: errors of the camera.
        segmentation: errors of the mask.

    Returns:
        "true_depth" and "depth" (measured, 0 = none), metres, and "mask", the segmented
        person; each (frames, height, width).
    """
    key_sensor, key_mask = jax.random.split(key)
    view = scene.view
    size = {"height": height, "width": width}
    seen = raycast.transform(scene.person, view.cam_from_world)
    front, part = raycast.cast(seen, view.intrinsics, **size)
    dirs = raycast.pixel_dirs(view.intrinsics, **size)
    behind, surface, _ = _cast_room(scene, view.cam_from_world, dirs)
    flesh = shading.luminance(scene.appearance.person)[body.PART_MATERIAL]
    wall = shading.luminance(scene.appearance.surroundings)[surface]
    person = front < behind[None]
    albedo = jnp.where(person, flesh[part], wall[None])
    depth, albedo, person = raycast.materialize(
        (jnp.minimum(front, behind[None]), albedo, person)
    )
    measured = sensor.simulate(
        key_sensor, depth, albedo, view.intrinsics, params=sensor_params
    )
    measured = raycast.materialize(measured)
    mask = person_points.simulate_segmentation(
        key_mask, measured, person, params=segmentation
    )
    mask = raycast.materialize(mask)
    return {"true_depth": depth, "depth": measured, "mask": mask}


def keypoint_camera(scene: Scene) -> Float[Array, "4 4"]:
    """cam_from_world of the colour camera, in whose image keypoints are detected."""
    return transforms.compose(scene.view.color_from_depth, scene.view.cam_from_world)


def first_surface(
    scene: Scene,
    cam_from_world: Float[Array, "4 4"],
    dirs: Float[Array, "frames rays 3"],
) -> Float[Array, "frames rays"]:
    """First surface of person or room along rays of one camera; suits few rays.

    Args:
        scene: person and room.
        cam_from_world: pose of the camera.
        dirs: ray directions in the camera frame.

    Returns:
        Distance of the first surface in lengths of `dirs`: z-depth in metres if the z
        of a direction is 1.
    """
    person = raycast.transform(scene.person, cam_from_world)
    flesh = raycast.cast_rays(person, dirs).min(axis=-1)
    return jnp.minimum(flesh, _cast_room(scene, cam_from_world, dirs)[0])


def _cast_room(
    scene: Scene, cam_from_world: Array, dirs: Array
) -> tuple[Array, Array, Array]:
    """`room.cast` for rays that start at the camera, with directions in its frame."""
    world_from_cam = transforms.invert(cam_from_world)
    dirs = _rotate_directions(world_from_cam, dirs)
    return room.cast(scene.surroundings, world_from_cam[:3, 3], dirs)


def _rotate_directions(transform: Array, dirs: Array) -> Array:
    """Rotates directions with any number of leading axes."""
    return transforms.rotate(transform, dirs.reshape(-1, 3)).reshape(dirs.shape)


def color_images(
    scene: Scene, *, height: int, width: int
) -> UInt8[Array, "frames height width 3"]:
    """Renders the images of the keypoint camera, 8-bit sRGB."""
    cam_from_world = keypoint_camera(scene)
    intrinsics = scene.view.color_intrinsics
    dirs = raycast.pixel_dirs(intrinsics, height=height, width=width)
    behind, back = room_colors(
        scene.surroundings, scene.appearance, cam_from_world, dirs
    )
    person = raycast.transform(scene.person, cam_from_world)
    depth, part = raycast.cast(person, intrinsics, height=height, width=width)
    front = _person_colors(scene.appearance, person, part, depth, cam_from_world, dirs)
    is_person = depth < behind[None]
    return shading.to_srgb(jnp.where(is_person[..., None], front, back[None]))


def room_colors(
    surroundings: room.Room,
    appearance: shading.Appearance,
    cam_from_world: Float[Array, "4 4"],
    dirs: Float[Array, "height width 3"],
) -> tuple[Float[Array, "height width"], Float[Array, "height width 3"]]:
    """Depth, metres, and linear RGB of the room along the rays of a camera."""
    world_from_cam = transforms.invert(cam_from_world)
    world_dirs = _rotate_directions(world_from_cam, dirs)
    depth, surface, normal = room.cast(surroundings, world_from_cam[:3, 3], world_dirs)
    xyz = (dirs * depth[..., None]).reshape(-1, 3)
    xyz = transforms.apply(world_from_cam, xyz).reshape(dirs.shape)
    albedo = shading.room_albedo(appearance, surface, xyz)
    views = _rotate_directions(world_from_cam, numerics.safe_normalize(dirs))
    return depth, shading.shade(appearance, albedo, normal, views)


def shade_person(
    appearance: shading.Appearance,
    person: raycast.Primitives,
    part: Int[Array, "height width"],
    depth: Float[Array, "height width"],
    cam_from_world: Float[Array, "4 4"],
    dirs: Float[Array, "height width 3"],
) -> Float[Array, "height width 3"]:
    """Linear RGB of a person at the pixels that `raycast.cast` found.

    Args:
        appearance: colours and light.
        person: one person's parts, camera frame.
        part: index of the visible part, -1 for none; the colour is then arbitrary.
        depth: z of the visible surface, metres.
        cam_from_world: pose of the camera.
        dirs: ray directions of the pixels, camera frame.
    """
    one = jax.tree.map(lambda leaf: leaf[None], person)
    return _person_colors(
        appearance, one, part[None], depth[None], cam_from_world, dirs
    )[0]


def _person_colors(
    appearance: shading.Appearance,
    person: raycast.Primitives,
    part: Array,
    depth: Array,
    cam_from_world: Array,
    dirs: Array,
) -> Array:
    """Linear RGB (frames, height, width, 3) of the person."""
    world_from_cam = transforms.invert(cam_from_world)
    xyz = dirs[None] * jnp.where(part >= 0, depth, 1.0)[..., None]
    normal, local = raycast.normals(person, part, xyz)
    albedo = shading.person_albedo(appearance, part, local)
    views = _rotate_directions(world_from_cam, numerics.safe_normalize(dirs))
    views = jnp.broadcast_to(views[None], normal.shape)
    return shading.shade(
        appearance, albedo, _rotate_directions(world_from_cam, normal), views
    )
