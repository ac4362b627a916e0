"""Clips of rendered RGB-D people: pure functions of (seed, split, index).

Person, room, cameras, sensor and 2D detector are drawn from one key. What comes out is
the batch schema of `data_pipelines.schema`, with images on request.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import camera, transforms
from unipose_jax.skeleton import definitions
from unipose_jax.synthesis import body, cloud, paint, render, viewpoint
from unipose_jax.synthesis import detector as detectors
from unipose_jax.synthesis import motion as motions
from unipose_jax.synthesis import room as rooms
from unipose_jax.synthesis import sensor as sensors
from unipose_jax.synthesis import shape as shapes

BODY = definitions.BODY
SPLITS = ("train", "validation", "test")
EXTRAS = ("depth", "mask", "color", "true_depth")
# Radius of the flesh around a joint at 1.80 m; what hides a joint must be nearer than
# this and `hidden_margin` more.
_SKIN = {"head": 0.11, "torso": 0.12, "pelvis": 0.13, "thorax": 0.11, "neck": 0.07}
_SKIN |= {"shoulder": 0.06, "hip": 0.11, "knee": 0.06, "elbow": 0.045}
_OTHER_SKIN = 0.04  # metres


@dataclasses.dataclass(frozen=True)
class SceneParams:
    """Everything that a rendered clip depends on, but for its key."""

    frames: int = 8
    fps: float = 15.0
    height: int = 120  # pixels
    width: int = 160  # pixels
    points: int = 1024  # per frame
    skeleton: str = "ITOP15"
    hidden_margin: float = 0.10  # metres behind another surface that hide a joint
    shape: shapes.ShapeParams = shapes.ShapeParams()
    motion: motions.MotionParams = motions.MotionParams()
    view: viewpoint.ViewParams = viewpoint.ViewParams()
    room: rooms.RoomParams = rooms.RoomParams()
    sensor: sensors.SensorParams = sensors.SensorParams()
    segmentation: cloud.SegmentationParams = cloud.SegmentationParams()
    detector: detectors.DetectorParams = detectors.DetectorParams()


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scene:
    """What there is to see, without any error."""

    xyz_world: Array  # (frames, BODY joints, 3) metres
    person: render.Primitives  # (frames, parts), metres, world
    stature: Array  # () metres
    surroundings: rooms.Room
    view: viewpoint.View
    looks: paint.Looks


def clip_key(seed: int, split: str, index: int | Array) -> jax.Array:
    """The key of one clip; a pure function, different for each split.

    Raises:
        ValueError: no such split.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; use one of {', '.join(SPLITS)}")
    key = jax.random.fold_in(jax.random.key(seed), SPLITS.index(split))
    return jax.random.fold_in(key, index)


def make_clip(
    key: jax.Array,
    params: SceneParams,
    *,
    motion_clip: Float[Array, "clip_frames joints 3"] | None = None,
    extras: tuple[str, ...] = (),
) -> dict[str, Array]:
    """Renders one clip of one person.

    Args:
        key: from `clip_key`.
        params: static; a jitted caller closes over it.
        motion_clip: BODY joints, metres, world (y down, floor at 0), at `params.fps`
            or so, at least `params.frames` long; a random stretch of it replaces the
            procedural motion.
        extras: images to add, of `EXTRAS`: "depth" (measured, metres, 0 = none),
            "mask" (segmented person), "color" (8-bit sRGB of the keypoint camera),
            "true_depth" (exact, metres).

    Returns:
        The fields of the batch schema for `params.skeleton`: points, points_valid,
        time, uv, confidence, intrinsics, cam_from_points, xyz, xyz_valid, visible; and
        depth_intrinsics and the extras.

    Raises:
        ValueError: an unknown extra, or a motion clip that is too short.
    """
    unknown = set(extras) - set(EXTRAS)
    if unknown:
        raise ValueError(f"unknown extras {sorted(unknown)}; choose from {EXTRAS}")
    key_scene, key_depth, key_points, key_uv = jax.random.split(key, 4)
    scene = sample_scene(key_scene, params, motion_clip=motion_clip)
    images = _depth_images(key_depth, scene, params)
    points, points_valid = cloud.sample_points(
        key_points,
        images["depth"],
        images["mask"],
        scene.view.intrinsics,
        count=params.points,
        min_pixels=params.segmentation.min_pixels,
    )
    clip = {
        "points": points,
        "points_valid": points_valid,
        "time": jnp.arange(params.frames, dtype=jnp.float32) / params.fps,
        "intrinsics": scene.view.color_intrinsics,
        "cam_from_points": scene.view.color_from_depth,
        "depth_intrinsics": scene.view.intrinsics,
    }
    clip |= _joint_fields(key_uv, scene, params)
    if "color" in extras:
        clip["color"] = color_images(scene, params)
    return clip | {name: images[name] for name in extras if name != "color"}


def sample_scene(
    key: jax.Array,
    params: SceneParams,
    *,
    motion_clip: Float[Array, "clip_frames joints 3"] | None = None,
) -> Scene:
    """Draws person, motion, room, cameras and colours of one clip."""
    keys = jax.random.split(key, 6)
    person = shapes.sample_shape(keys[0], params.shape)
    if motion_clip is None:
        time = jnp.arange(params.frames, dtype=jnp.float32) / params.fps
        xyz = motions.sample_motion(keys[1], person, time, params.motion)
        stature = person.stature
    else:
        xyz = _stretch(keys[1], motion_clip, params.frames)
        stature = body.stature_of(xyz)
    xyz = viewpoint.turn_to_camera(keys[2], xyz, params.view)
    view = viewpoint.sample_view(
        keys[3], xyz, height=params.height, width=params.width, params=params.view
    )
    place = transforms.invert(view.cam_from_world)[:3, 3]
    surroundings = rooms.sample_room(
        keys[4], xyz, place, stature=stature, params=params.room
    )
    looks = paint.sample_looks(keys[5], surfaces=rooms.num_surfaces(surroundings))
    frames = (params.frames,)
    flesh = body.primitives(
        xyz,
        stature=jnp.broadcast_to(stature, frames),
        girth=jnp.broadcast_to(person.girth, frames),
        looseness=jnp.broadcast_to(looks.looseness, (*frames, len(body.MATERIALS))),
    )
    return Scene(xyz, flesh, stature, surroundings, view, looks)


def _stretch(key: jax.Array, motion_clip: Array, frames: int) -> Array:
    """A random stretch of consecutive frames of a motion clip."""
    last = motion_clip.shape[0] - frames
    if last < 0:
        raise ValueError(
            f"the motion clip has {motion_clip.shape[0]} frames; need {frames}"
        )
    start = jax.random.randint(key, (), 0, last + 1)
    return jax.lax.dynamic_slice_in_dim(motion_clip, start, frames)


def _depth_images(key: jax.Array, scene: Scene, params: SceneParams) -> dict[str, Array]:
    """Exact and measured depth and the segmented mask of the depth camera."""
    view = scene.view
    size = {"height": params.height, "width": params.width}
    seen = render.transform(scene.person, view.cam_from_world)
    front, part = render.cast(seen, view.intrinsics, **size)
    dirs = render.pixel_dirs(view.intrinsics, **size)
    behind, surface, _ = _cast_room(scene, view.cam_from_world, dirs)
    flesh = paint.luminance(scene.looks.person)[body.PART_MATERIAL]
    wall = paint.luminance(scene.looks.surroundings)[surface]

    def compose(front, part):
        albedo = jnp.where(front < behind[None], flesh[part], wall[None])
        return jnp.minimum(front, behind[None]), front < behind[None], albedo

    def observe(key, depth, albedo):
        return sensors.observe(
            key, depth, albedo, view.intrinsics, params=params.sensor
        )

    def segment(key, depth, person):
        return cloud.segment(key, depth, person, params=params.segmentation)

    keys = jax.random.split(key, (2, params.frames))
    depth, person, albedo = per_frame(compose, front, part)
    measured = per_frame(observe, keys[0], depth, albedo)
    mask = per_frame(segment, keys[1], measured, person)
    return {"true_depth": depth, "depth": measured, "mask": mask}


def per_frame(function: Callable, *arrays: Array) -> Any:
    """Applies a function to each frame, kept as an axis of size one, in turn.

    A loop, so that XLA computes one stage's images once and in the cache. Left to
    itself it merges stages and computes a pixel again for every neighbour that needs
    it, several times slower.
    """
    frames = [x if _is_key(x) else x[:, None] for x in arrays]
    out = jax.lax.map(lambda xs: function(*xs), tuple(frames))
    return jax.tree.map(lambda x: x[:, 0], out)


def _is_key(x: Array) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _cast_room(
    scene: Scene, cam_from_world: Array, dirs: Array
) -> tuple[Array, Array, Array]:
    """`rooms.cast` for rays in a camera's frame, which leave the camera."""
    world_from_cam = transforms.invert(cam_from_world)
    turned = transforms.rotate(world_from_cam, dirs.reshape(-1, 3)).reshape(dirs.shape)
    return rooms.cast(scene.surroundings, world_from_cam[:3, 3], turned)


def color_images(
    scene: Scene, params: SceneParams
) -> Array:
    """What the keypoint camera sees, (frames, height, width, 3) 8-bit sRGB."""
    view, looks = scene.view, scene.looks
    size = {"height": params.height, "width": params.width}
    cam_from_world = transforms.compose(view.color_from_depth, view.cam_from_world)
    world_from_cam = transforms.invert(cam_from_world)
    seen = render.transform(scene.person, cam_from_world)
    depth, part = render.cast(seen, view.color_intrinsics, **size)
    dirs = render.pixel_dirs(view.color_intrinsics, **size)
    behind, surface, normal = _cast_room(scene, cam_from_world, dirs)
    unit = dirs / jnp.linalg.norm(dirs, axis=-1, keepdims=True)
    turn = lambda x: transforms.rotate(world_from_cam, x.reshape(-1, 3)).reshape(x.shape)
    xyz = transforms.apply(world_from_cam, (dirs * behind[..., None]).reshape(-1, 3))
    back = paint.room_albedo(looks, surface, xyz.reshape(dirs.shape))
    back = paint.shade(looks, back, normal, turn(unit))
    person = depth < behind[None]
    on_body = dirs[None] * jnp.where(person, depth, 1.0)[..., None]
    normal, local = render.normals(seen, part, on_body)
    front = paint.person_albedo(looks, part, local)
    views = jnp.broadcast_to(turn(unit)[None], normal.shape)
    front = paint.shade(looks, front, turn(normal), views)
    return paint.to_srgb(jnp.where(person[..., None], front, back[None]))


def _joint_fields(key: jax.Array, scene: Scene, params: SceneParams) -> dict[str, Array]:
    """Truth and detected keypoints in the output skeleton."""
    view = scene.view
    target = definitions.by_name(params.skeleton)
    world, has = definitions.convert(scene.xyz_world, BODY, target)
    world = jnp.where(has[None, :, None], world, 0.0)
    xyz = transforms.apply(view.cam_from_world, world)
    seen = transforms.apply(view.color_from_depth, xyz)
    uv = camera.uv_from_xyz(seen, view.color_intrinsics)
    visible = joint_visibility(scene, seen, params) & has[None]
    detected, confidence = detectors.detect(
        key,
        uv,
        visible,
        width=params.width,
        skeleton=target,
        params=params.detector,
    )
    known = jnp.broadcast_to(has[None], visible.shape)
    return {
        "uv": jnp.where(known[..., None], detected, 0.0),
        "confidence": jnp.where(known, confidence, 0.0),
        "xyz": jnp.where(known[..., None], xyz, jnp.nan),
        "xyz_valid": known,
        "visible": visible,
    }


def joint_visibility(
    scene: Scene, xyz: Float[Array, "frames joints 3"], params: SceneParams
) -> Bool[Array, "frames joints"]:
    """Whether the keypoint camera can see each joint of `params.skeleton`.

    A joint is visible if it projects into the image and the first surface on its line
    of sight is nearer by no more than the flesh around the joint plus a margin.

    Args:
        scene: what stands in the way.
        xyz: joints, metres, keypoint-camera frame.
        params: image size and margin.
    """
    view = scene.view
    cam_from_world = transforms.compose(view.color_from_depth, view.cam_from_world)
    dirs = xyz / jnp.maximum(xyz[..., 2:], 1e-3)
    own = render.cast_rays(render.transform(scene.person, cam_from_world), dirs)
    first = jnp.minimum(own.min(axis=-1), _cast_room(scene, cam_from_world, dirs)[0])
    names = definitions.by_name(params.skeleton).joints
    kinds = [n.removeprefix("left_").removeprefix("right_") for n in names]
    skin = np.array([_SKIN.get(kind, _OTHER_SKIN) for kind in kinds], np.float32)
    allowed = params.hidden_margin + skin * (scene.stature / 1.8)
    uv = camera.uv_from_xyz(xyz, view.color_intrinsics)
    limit = jnp.array([params.width, params.height]).reshape(1, 1, 2)
    inside = jnp.all((uv >= 0.0) & (uv < limit), axis=-1) & (xyz[..., 2] > 0.1)
    return inside & (xyz[..., 2] - first < allowed[None])


def render_pool(
    seed: int,
    split: str,
    start: int,
    count: int,
    params: SceneParams,
    *,
    motion_clips: Float[np.ndarray, "clips clip_frames joints 3"] | None = None,
    extras: tuple[str, ...] = (),
    batch_size: int = 32,
    progress: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Renders clips `start` to `start + count` of a split.

    Args:
        seed: of the whole data set.
        split: one of `SPLITS`.
        start: index of the first clip.
        count: number of clips.
        params: what to render.
        motion_clips: clip i is driven by `motion_clips[i % clips]`; None for
            procedural motion.
        extras: as in `make_clip`.
        batch_size: clips rendered at a time; compiled once.
        progress: called with the number of clips done, after each batch.

    Returns:
        The dict of `make_clip`, NumPy arrays with a leading clip axis.
    """
    batch_size = max(1, min(batch_size, count))

    def one(index, clips):
        motion_clip = None if clips is None else clips[index % clips.shape[0]]
        return make_clip(
            clip_key(seed, split, index), params, motion_clip=motion_clip, extras=extras
        )

    def batch(index, clips):
        return jax.lax.map(lambda i: one(i, clips), index, batch_size=lanes)

    run = jax.jit(batch)
    # A CPU gains nothing from more than a clip at a time, whose images fit its cache.
    lanes = None if jax.default_backend() == "cpu" else batch_size
    clips = None if motion_clips is None else jnp.asarray(motion_clips)
    pool: dict[str, np.ndarray] = {}
    for done in range(0, count, batch_size):
        index = start + jnp.minimum(done + jnp.arange(batch_size), count - 1)
        size = min(batch_size, count - done)
        for name, value in jax.device_get(run(index, clips)).items():
            if name not in pool:
                pool[name] = np.empty((count, *value.shape[1:]), value.dtype)
            pool[name][done : done + size] = value[:size]
        if progress is not None:
            progress(done + size)
    return pool
