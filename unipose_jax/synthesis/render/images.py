"""Images of a scene: exact and measured depth, mask, colour, and what hides what."""

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
    """What there is to see, without any error."""

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
    """What the depth camera gives.

    Args:
        key: random key of the camera's and the segmentation's errors.
        scene: what there is to see.
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
    """cam_from_world of the colour camera, whose pixels the keypoints are in."""
    return transforms.compose(scene.view.color_from_depth, scene.view.cam_from_world)


def first_surface(
    scene: Scene,
    cam_from_world: Float[Array, "4 4"],
    dirs: Float[Array, "frames rays 3"],
) -> Float[Array, "frames rays"]:
    """Where the first surface lies, of person or room, along few rays of one camera.

    Args:
        scene: what stands in the way.
        cam_from_world: the camera.
        dirs: directions in its frame.

    Returns:
        Distance in lengths of `dirs`: z-depth in metres where their z is 1.
    """
    person = raycast.transform(scene.person, cam_from_world)
    flesh = raycast.cast_rays(person, dirs).min(axis=-1)
    return jnp.minimum(flesh, _cast_room(scene, cam_from_world, dirs)[0])


def _cast_room(
    scene: Scene, cam_from_world: Array, dirs: Array
) -> tuple[Array, Array, Array]:
    """`room.cast` for rays in a camera's frame, which leave the camera."""
    world_from_cam = transforms.invert(cam_from_world)
    dirs = _rotate_directions(world_from_cam, dirs)
    return room.cast(scene.surroundings, world_from_cam[:3, 3], dirs)


def _rotate_directions(transform: Array, dirs: Array) -> Array:
    """Turns directions of any number of leading axes."""
    return transforms.rotate(transform, dirs.reshape(-1, 3)).reshape(dirs.shape)


def color_images(
    scene: Scene, *, height: int, width: int
) -> UInt8[Array, "frames height width 3"]:
    """What the keypoint camera sees, 8-bit sRGB."""
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
    looks: shading.Appearance,
    cam_from_world: Float[Array, "4 4"],
    dirs: Float[Array, "height width 3"],
) -> tuple[Float[Array, "height width"], Float[Array, "height width 3"]]:
    """Depth, metres, and linear RGB of the room, along the rays of a camera."""
    world_from_cam = transforms.invert(cam_from_world)
    world_dirs = _rotate_directions(world_from_cam, dirs)
    depth, surface, normal = room.cast(surroundings, world_from_cam[:3, 3], world_dirs)
    xyz = (dirs * depth[..., None]).reshape(-1, 3)
    xyz = transforms.apply(world_from_cam, xyz).reshape(dirs.shape)
    albedo = shading.room_albedo(looks, surface, xyz)
    views = _rotate_directions(world_from_cam, numerics.safe_normalize(dirs))
    return depth, shading.shade(looks, albedo, normal, views)


def shade_person(
    looks: shading.Appearance,
    person: raycast.Primitives,
    part: Int[Array, "height width"],
    depth: Float[Array, "height width"],
    cam_from_world: Float[Array, "4 4"],
    dirs: Float[Array, "height width 3"],
) -> Float[Array, "height width 3"]:
    """Linear RGB of a person whom `render.cast` has found; any where it has not.

    Args:
        looks: colours and light.
        person: one person's parts, camera frame.
        part: which part is seen, -1 for none.
        depth: z of what is seen, metres.
        cam_from_world: the camera.
        dirs: rays of its pixels.
    """
    one = jax.tree.map(lambda leaf: leaf[None], person)
    return _person_colors(looks, one, part[None], depth[None], cam_from_world, dirs)[0]


def _person_colors(
    looks: shading.Appearance,
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
    albedo = shading.person_albedo(looks, part, local)
    views = _rotate_directions(world_from_cam, numerics.safe_normalize(dirs))
    views = jnp.broadcast_to(views[None], normal.shape)
    return shading.shade(
        looks, albedo, _rotate_directions(world_from_cam, normal), views
    )
