"""Clips of rendered RGB-D people: pure functions of (seed, split, index).

One key determines person, room, cameras, sensor errors and 2D detections. Clips have
the fields of the batch schema (`data_pipelines.ground.schema`), and images on request.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import camera, transforms
from unipose_jax.skeleton import definitions
from unipose_jax.synthesis.motion import body_shape as shapes
from unipose_jax.synthesis.motion import procedural as motions
from unipose_jax.synthesis.render import (
    body,
    images,
    part_labels,
    props,
    raycast,
    shading,
    viewpoint,
)
from unipose_jax.synthesis.render import room as rooms
from unipose_jax.synthesis.render import things as thing_models
from unipose_jax.synthesis.sensing import detector as detectors
from unipose_jax.synthesis.sensing import image_crops, person_points
from unipose_jax.synthesis.sensing import sensor as sensors

BODY = definitions.BODY
SPLITS = ("train", "validation", "test")
CROPS = ("depth_crop", "color_crop")
EXTRAS = ("depth", "mask", "color", "true_depth", "points_part", *CROPS)
# Median distance in metres from the visible surface of the body to the joint behind it,
# for a person of 1.80 m, measured on rendered people. A surface hides a joint if it is
# nearer to the camera by more than this plus `hidden_margin`.
_SKIN = {"head": 0.09, "neck": 0.085, "thorax": 0.11, "torso": 0.12, "pelvis": 0.125}
_SKIN |= {"shoulder": 0.055, "elbow": 0.045, "hand": 0.03, "hip": 0.10, "knee": 0.06}
_OTHER_SKIN = 0.04  # metres


@dataclasses.dataclass(frozen=True)
class SceneParams:
    """All parameters of a rendered clip except its random key."""

    frames: int = 8
    fps: float = 15.0
    height: int = 120  # pixels
    width: int = 160  # pixels
    points: int = 1024  # per frame
    skeleton: str = "ITOP15"
    hidden_margin: float = 0.10  # metres; a joint this far behind a surface is hidden
    crop_size: int = 0  # side of "depth_crop" and "color_crop", pixels
    shape: shapes.ShapeParams = shapes.ShapeParams()
    motion: motions.MotionParams = motions.MotionParams()
    view: viewpoint.ViewParams = viewpoint.ViewParams()
    room: rooms.RoomParams = rooms.RoomParams()
    things: props.PropParams = props.PropParams()
    sensor: sensors.SensorParams = sensors.SensorParams()
    segmentation: person_points.SegmentationParams = person_points.SegmentationParams()
    detector: detectors.DetectorParams = detectors.DetectorParams()


def split_key(seed: int, split: str) -> jax.Array:
    """Random key of a split, from which its clips derive their keys.

    Raises:
        ValueError: `split` is not one of `SPLITS`.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; use one of {', '.join(SPLITS)}")
    return jax.random.fold_in(jax.random.key(seed), SPLITS.index(split))


def clip_key(seed: int, split: str, index: int | Array) -> jax.Array:
    """Random key of one clip; a pure function that differs between splits.

    Raises:
        ValueError: `split` is not one of `SPLITS`.
    """
    return jax.random.fold_in(split_key(seed, split), index)


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
        motion_clip: BODY joints, metres, world (y down, floor at 0), at about
            `params.fps`, at least `params.frames` long. A random window of it replaces
            the procedural motion.
        extras: images to add, of `EXTRAS`: "depth" (measured, metres, 0 = none),
            "mask" (segmented person), "color" (8-bit sRGB of the keypoint camera),
            "true_depth" (exact, metres), "depth_crop" and "color_crop" (the fields of
            `image_crops`, with depth in uint16 millimetres to save memory), and
            "points_part" (`part_labels.label_points`).

    Returns:
        The fields of the batch schema for `params.skeleton`: points, points_valid,
        time, uv, confidence, intrinsics, cam_from_points, xyz, xyz_valid, visible; and
        depth_intrinsics and the extras.

    Raises:
        ValueError: an extra is unknown, crops are requested without a size, or the
            motion clip is too short.
    """
    check_extras(extras, params)
    shot = render_scene(key, params, motion_clip)
    return shot.clip | render_extras(shot, params, extras)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class RenderedScene:
    """A clip, with the scene and images from which its extras are computed."""

    clip: dict[str, Array]
    depth_camera_images: dict[str, Array]  # of the depth camera
    scene: images.Scene


def render_scene(
    key: jax.Array, params: SceneParams, motion_clip: Array | None
) -> RenderedScene:
    """Renders a clip without extras; for the arguments see `make_clip`."""
    key_scene, key_depth, key_points, key_uv = jax.random.split(key, 4)
    scene = sample_scene(key_scene, params, motion_clip=motion_clip)
    scene = raycast.materialize(scene)
    pictures = images.depth_images(
        key_depth,
        scene,
        height=params.height,
        width=params.width,
        sensor_params=params.sensor,
        segmentation=params.segmentation,
    )
    points, points_valid = person_points.sample_points(
        key_points,
        pictures["depth"],
        pictures["mask"],
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
    clip |= joint_fields(key_uv, scene, params)
    return RenderedScene(clip, pictures, scene)


def render_extras(
    shot: RenderedScene, params: SceneParams, extras: tuple[str, ...]
) -> dict[str, Array]:
    """Computes the requested extras of a rendered clip; see `make_clip`."""
    pictures = dict(shot.depth_camera_images)
    if {"color", "color_crop"} & set(extras):
        size = {"height": params.height, "width": params.width}
        pictures["color"] = images.color_images(shot.scene, **size)
    if "points_part" in extras:
        view = shot.scene.view
        pictures["points_part"] = part_labels.label_points(
            shot.clip["points"],
            raycast.transform(shot.scene.person, view.cam_from_world),
            pictures["true_depth"],
            view.intrinsics,
        )
    fields = {name: pictures[name] for name in extras if name in pictures}
    return fields | _crop_fields(shot.clip, pictures, extras, params)


def check_extras(extras: tuple[str, ...], params: SceneParams) -> None:
    """Checks the names of extras and the crop size that they need.

    Raises:
        ValueError: an extra is unknown, or crops are requested without a size.
    """
    unknown = set(extras) - set(EXTRAS)
    if unknown:
        raise ValueError(f"unknown extras {sorted(unknown)}; choose from {EXTRAS}")
    if set(CROPS) & set(extras) and params.crop_size < 1:
        raise ValueError(f"crops need a positive crop_size, got {params.crop_size}")


def _crop_fields(
    clip: dict[str, Array],
    pictures: dict[str, Array],
    extras: tuple[str, ...],
    params: SceneParams,
) -> dict[str, Array]:
    """Fields of the requested crops, with depth in uint16 millimetres."""
    fields: dict[str, Array] = {}
    if "depth_crop" in extras:
        fields |= image_crops.depth_fields(
            jnp.where(pictures["mask"], pictures["depth"], 0.0),
            clip["points"],
            clip["depth_intrinsics"],
            points_valid=clip["points_valid"],
            size=params.crop_size,
        )
        counts = jnp.round(1000.0 * fields["depth_crop"])
        counts = jnp.where(counts < 2**16, counts, 0.0)
        fields["depth_crop"] = counts.astype(jnp.uint16)
    if "color_crop" in extras:
        fields |= image_crops.color_fields(
            raycast.materialize(pictures["color"]),
            clip["points"],
            clip["intrinsics"],
            clip["cam_from_points"],
            points_valid=clip["points_valid"],
            size=params.crop_size,
        )
    return fields


def sample_scene(
    key: jax.Array,
    params: SceneParams,
    *,
    motion_clip: Float[Array, "clip_frames joints 3"] | None = None,
) -> images.Scene:
    """Samples person, motion, room, things, cameras and colours of one clip.

    The arguments are those of `make_clip`.
    """
    keys = jax.random.split(key, 6)
    person = shapes.sample_shape(keys[0], params.shape)
    if motion_clip is None:
        time = jnp.arange(params.frames, dtype=jnp.float32) / params.fps
        xyz = motions.sample_motion(keys[1], person, time, params.motion)
        stature = person.stature
    else:
        xyz = _random_window(keys[1], motion_clip, params.frames)
        stature = body.estimate_stature(xyz)
    xyz = viewpoint.orient_to_camera(keys[2], raycast.materialize(xyz), params.view)
    view = viewpoint.sample_cameras(
        keys[3], xyz, height=params.height, width=params.width, params=params.view
    )
    place = transforms.invert(view.cam_from_world)[:3, 3]
    surroundings = rooms.sample_room(
        keys[4], xyz, place, stature=stature, params=params.room
    )
    surfaces, things = rooms.num_surfaces(surroundings), None
    if params.things.any_share:
        things = props.sample_props(
            jax.random.fold_in(keys[4], 1), xyz, stature=stature, params=params.things
        )
        surfaces += thing_models.count(things)
    appearance = shading.sample_appearance(keys[5], surfaces=surfaces)
    frames = (params.frames,)
    primitives = body.primitives(
        xyz,
        stature=jnp.broadcast_to(stature, frames),
        girth=jnp.broadcast_to(person.girth, frames),
        looseness=jnp.broadcast_to(
            appearance.looseness, (*frames, len(body.MATERIALS))
        ),
    )
    return images.Scene(
        xyz, primitives, stature, surroundings, view, appearance, things
    )


def _random_window(key: jax.Array, motion_clip: Array, frames: int) -> Array:
    """A random window of consecutive frames of a motion clip."""
    last = motion_clip.shape[0] - frames
    if last < 0:
        raise ValueError(
            f"the motion clip has {motion_clip.shape[0]} frames; need {frames}"
        )
    start = jax.random.randint(key, (), 0, last + 1)
    return jax.lax.dynamic_slice_in_dim(motion_clip, start, frames)


def joint_fields(
    key: jax.Array, scene: images.Scene, params: SceneParams
) -> dict[str, Array]:
    """Ground-truth joints and detected keypoints in the output skeleton.

    Args:
        key: random key of the detector's errors.
        scene: person, room and cameras.
        params: skeleton, image size and errors of the detector.

    Returns:
        uv, confidence, xyz, xyz_valid and visible of the batch schema.
    """
    view = scene.view
    target = definitions.by_name(params.skeleton)
    world, has = definitions.convert(scene.xyz_world, BODY, target)
    world = jnp.where(has[None, :, None], world, 0.0)
    xyz = transforms.apply(view.cam_from_world, world)
    seen = transforms.apply(view.color_from_depth, xyz)
    visible = joint_visibility(scene, seen, params) & has[None]
    detected, confidence = detectors.simulate(
        key,
        seen,
        visible,
        intrinsics=view.color_intrinsics,
        stature=scene.stature,
        size=(params.height, params.width),
        fps=params.fps,
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
    scene: images.Scene, xyz: Float[Array, "frames joints 3"], params: SceneParams
) -> Bool[Array, "frames joints"]:
    """Whether the keypoint camera can see each joint of `params.skeleton`.

    A joint is visible if it projects into the image and the first surface on its line
    of sight is nearer by no more than the flesh around the joint plus a margin.

    Args:
        scene: person and room, which can occlude joints.
        xyz: joints, metres, keypoint-camera frame.
        params: image size and margin.
    """
    dirs = xyz / jnp.maximum(xyz[..., 2:], 1e-3)
    first = images.first_surface(scene, images.keypoint_camera(scene), dirs)
    names = definitions.by_name(params.skeleton).joints
    kinds = [n.removeprefix("left_").removeprefix("right_") for n in names]
    skin = np.array([_SKIN.get(kind, _OTHER_SKIN) for kind in kinds], np.float32)
    allowed = params.hidden_margin + skin * (scene.stature / 1.8)
    uv = camera.uv_from_xyz(xyz, scene.view.color_intrinsics)
    limit = jnp.array([params.width, params.height]).reshape(1, 1, 2)
    inside = jnp.all((uv >= 0.0) & (uv < limit), axis=-1) & (xyz[..., 2] > 0.1)
    return inside & (xyz[..., 2] - first < allowed[None])
