"""Images of a scene: exact and measured depth, mask and colour; occlusion tests."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from unipose_jax.geometry import numerics, transforms
from unipose_jax.skeleton import body_parts
from unipose_jax.synthesis.render import (
    body,
    raycast,
    room,
    shading,
    viewpoint,
)
from unipose_jax.synthesis.render import things as thing_models
from unipose_jax.synthesis.sensing import (
    mask_regions,
    person_points,
    sensor,
    sensor_kinds,
)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scene:
    """Person, room, things, cameras and colours of a clip, without simulated errors."""

    xyz_world: Array  # (frames, BODY joints, 3) metres
    person: raycast.Primitives  # (frames, parts), metres, world
    stature: Array  # () metres
    surroundings: room.Room
    view: viewpoint.CameraPair
    appearance: shading.Appearance
    things: thing_models.Things | None = None


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
    behind, surface, masked = _cast_surroundings(scene, view.intrinsics, **size)
    flesh = shading.luminance(scene.appearance.person)[body.PART_MATERIAL]
    wall = shading.luminance(scene.appearance.surroundings)[surface]
    person = front < _each_frame(behind)
    albedo = jnp.where(person, flesh[part], _each_frame(wall))
    segmented = person if masked is None else person | masked
    depth, albedo, segmented = raycast.materialize(
        (jnp.minimum(front, _each_frame(behind)), albedo, segmented)
    )
    measured = sensor.simulate(
        key_sensor, depth, albedo, view.intrinsics, params=sensor_params
    )
    measured = raycast.materialize(measured)
    if sensor_params.mixed:
        measured = sensor_kinds.replace(
            jax.random.fold_in(key_sensor, 1), measured, depth, params=sensor_params
        )
        measured = raycast.materialize(measured)
    mask = person_points.simulate_segmentation(
        key_mask, measured, segmented, params=segmentation
    )
    mask = raycast.materialize(mask)
    if segmentation.large_errors:
        parts = jnp.where(person, jnp.asarray(body.BODY_PART)[part], body_parts.NONE)
        mask = mask_regions.simulate(
            jax.random.fold_in(key_mask, 1), mask, measured, parts, params=segmentation
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
    """First surface of person, things or room along rays of one camera, few of them.

    Args:
        scene: person, things and room.
        cam_from_world: pose of the camera.
        dirs: ray directions in the camera frame.

    Returns:
        Distance of the first surface in lengths of `dirs`: z-depth in metres if the z
        of a direction is 1.
    """
    person = raycast.transform(scene.person, cam_from_world)
    flesh = raycast.cast_rays(person, dirs).min(axis=-1)
    first = jnp.minimum(flesh, _cast_room(scene, cam_from_world, dirs)[0])
    if scene.things is None:
        return first
    things = thing_models.transform(scene.things, cam_from_world)
    return jnp.minimum(first, thing_models.cast_rays(things, dirs))


def _cast_surroundings(
    scene: Scene, intrinsics: Array, *, height: int, width: int
) -> tuple[Array, Array, Array | None]:
    """Depth and surface of room and things in the image of the depth camera.

    Both are (height, width) without things, else (frames, height, width); then the
    third says whether the segmented mask contains the thing seen there.
    """
    size = {"height": height, "width": width}
    dirs = raycast.pixel_dirs(intrinsics, **size)
    depth, surface, _ = _cast_room(scene, scene.view.cam_from_world, dirs)
    if scene.things is None:
        return depth, surface, None
    things = thing_models.transform(scene.things, scene.view.cam_from_world)
    near, thing = thing_models.cast(things, intrinsics, **size)
    is_thing = near < depth[None]
    first = room.num_surfaces(scene.surroundings)
    return (
        jnp.minimum(near, depth[None]),
        jnp.where(is_thing, first + thing, surface[None]),
        is_thing & things.in_mask[thing],
    )


def _each_frame(image: Array) -> Array:
    """An image (height, width) of all frames, or images of each, with frames first."""
    return image if image.ndim == 3 else image[None]


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
    if scene.things is not None:
        moved = thing_models.transform(scene.things, cam_from_world)
        behind, back = _add_things(scene, moved, behind, back, cam_from_world, dirs)
    is_person = (depth < _each_frame(behind))[..., None]
    back = back if back.ndim == 4 else back[None]
    return shading.to_srgb(jnp.where(is_person, front, back))


def _add_things(
    scene: Scene,
    things: thing_models.Things,
    behind: Array,
    back: Array,
    cam_from_world: Array,
    dirs: Array,
) -> tuple[Array, Array]:
    """Adds things, in the camera frame, to depth and linear RGB of the room."""
    height, width = dirs.shape[:2]
    depth, index = thing_models.cast(
        things, scene.view.color_intrinsics, height=height, width=width
    )
    nearer = depth < behind[None]
    world_from_cam = transforms.invert(cam_from_world)
    xyz = dirs[None] * jnp.where(nearer, depth, 1.0)[..., None]
    normal = _rotate_directions(
        world_from_cam, thing_models.normals(things, index, xyz)
    )
    first = room.num_surfaces(scene.surroundings)
    albedo = scene.appearance.surroundings[first + jnp.maximum(index, 0)]
    views = _rotate_directions(world_from_cam, numerics.safe_normalize(dirs))
    views = jnp.broadcast_to(views[None], normal.shape)
    color = shading.shade(scene.appearance, albedo, normal, views)
    color = jnp.where(nearer[..., None], color, back[None])
    return jnp.minimum(depth, behind[None]), color


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
