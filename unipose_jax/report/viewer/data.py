"""Scenes as JSON: quantised, compressed arrays and compressed pictures.

Arrays are int16 multiples of a step that the largest value determines, so a position
has steps of 0.1 to 0.3 mm. Clouds are sampled and pictures compressed to `BUDGET`.
"""

import base64
import gzip
import io
import math
import os
from collections.abc import Sequence
from concurrent import futures
from typing import Any

import numpy as np
from jaxtyping import UInt8

from unipose_jax.report.draw import palette
from unipose_jax.report.viewer import scene as scene_lib
from unipose_jax.skeleton import definitions

BUDGET = 8_000_000  # characters of all clouds and pictures of a page
_MISSING = -32768
_STEPS = 32767
_POINT = 9.5  # characters of a point: 6 bytes of place and 3 of colour, compressed
_MAX_POINTS, _MAX_ROOM = 4000, 25000
_MAX_PIXELS, _BITS_A_PIXEL = 960 * 720, 0.6  # of a picture
_QUALITIES = (85, 75, 65, 55, 45, 35)
_NEAR, _FAR = np.array([(96, 125, 139), (176, 190, 196)])  # of points without colours

Json = dict[str, Any]


def pack(scenes: Sequence[scene_lib.Scene]) -> Json:
    """Data of a page.

    Args:
        scenes: what can be chosen on the page, the first first; at least one.
    """
    count = sum(len(scene.shown_frames) for scene in scenes)
    return {"scenes": [_scene(scene, BUDGET / max(count, 1)) for scene in scenes]}


def points_per_frame(frames: int, people: int = 1) -> int:
    """How many points of a person are kept, where that many frames are shown."""
    return min(_MAX_POINTS, int(0.5 * BUDGET / (_POINT * max(frames * people, 1))))


def pixels_per_frame(frames: int) -> int:
    """How many pixels a picture should have, where that many are shown."""
    size = _bytes(0.5 * BUDGET / max(frames, 1))
    return min(_MAX_PIXELS, int(8 * size / _BITS_A_PIXEL))


def _scene(scene: scene_lib.Scene, budget: float) -> Json:
    """One scene; `budget` is in characters per shown frame."""
    frames = scene.num_frames
    time = np.arange(frames) if scene.time is None else scene.time - scene.time[0]
    numbers = range(frames) if scene.numbers is None else scene.numbers
    points = int(0.5 * budget / (_POINT * len(scene.people)))
    points = min(_MAX_POINTS, points)
    return {
        "name": scene.name,
        "timed": scene.time is not None,
        "time": np.round(time, 4).tolist(),
        "numbers": [int(number) for number in numbers],
        "shown": [int(frame) for frame in scene.shown_frames],
        "people": [_person(person, points) for person in scene.people],
        "depthCamera": _camera(scene.depth_camera),
        "pictures": _pictures(scene, 0.5 * budget),
        "floor": None if scene.floor is None else np.round(scene.floor, 6).tolist(),
        "room": None if scene.room is None else _clouds([scene.room], _MAX_ROOM),
    }


def _person(person: scene_lib.Person, points: int) -> Json:
    body = definitions.by_name(person.skeleton)
    keypoints = person.keypoints
    return {
        "name": person.name,
        "skeleton": person.skeleton,
        "joints": [joint.replace("_", " ") for joint in body.joints],
        "sides": [_side(joint) for joint in body.joints],
        "bones": [[int(child), int(parent)] for child, parent in body.bones],
        "poses": [
            {
                "name": poses.name,
                "xyz": array(poses.xyz),
                "confidence": _optional(poses.confidence),
            }
            for poses in person.poses
        ],
        "quality": _optional(person.quality),
        "keypoints": None
        if keypoints is None
        else {
            "uv": array(keypoints.uv),
            "confidence": array(np.nan_to_num(keypoints.confidence)),
            "camera": _camera(keypoints.camera),
        },
        "clouds": _clouds(person.clouds, points) if person.clouds else None,
    }


def _side(joint: str) -> str:
    side = joint.partition("_")[0]
    return side if side in ("left", "right") else "middle"


def _camera(camera: scene_lib.Camera | None) -> Json | None:
    if camera is None:
        return None
    return {
        "width": int(camera.width),
        "height": int(camera.height),
        "intrinsics": np.asarray(camera.intrinsics, np.float64).round(3).tolist(),
        "fromScene": np.asarray(camera.cam_from_scene, np.float64).round(7).tolist(),
    }


def array(values: np.ndarray) -> Json:
    """A float array as compressed int16; values that are not finite become missing."""
    finite = np.isfinite(values)
    known = np.where(finite, values, 0.0)
    step = max(float(np.abs(known).max(initial=0.0)), 1e-6) / _STEPS
    counts = np.where(finite, np.rint(known / step), _MISSING)
    return {
        "shape": list(values.shape),
        "step": step,
        "data": _compressed(counts.astype("<i2")),
    }


def _optional(values: np.ndarray | None) -> Json | None:
    return None if values is None else array(values)


def _compressed(values: np.ndarray) -> str:
    """Base64 of a compressed array, equal for equal arrays."""
    packed = gzip.compress(np.ascontiguousarray(values).tobytes(), 9, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def _clouds(clouds: Sequence[scene_lib.Cloud], most: int) -> Json:
    """Clouds one after the other: points, colours and where each cloud starts."""
    sampled = [_sampled(cloud, most) for cloud in clouds]
    xyz = np.concatenate([cloud.xyz for cloud in sampled]).astype(np.float32)
    rgb = [cloud_rgb(cloud) for cloud in sampled]
    return {
        "start": np.cumsum([0, *(len(cloud.xyz) for cloud in sampled)]).tolist(),
        "xyz": array(xyz),
        "rgb": _compressed(np.concatenate(rgb)),
    }


def _sampled(cloud: scene_lib.Cloud, most: int) -> scene_lib.Cloud:
    """At most so many of the finite points, the same each time."""
    chosen = np.flatnonzero(np.isfinite(cloud.xyz).all(axis=-1))
    if len(chosen) > most:
        chosen = np.random.default_rng(0).choice(chosen, most, replace=False)
        chosen.sort()
    rgb = None if cloud.rgb is None else cloud.rgb[chosen]
    return scene_lib.Cloud(xyz=cloud.xyz[chosen].astype(np.float32), rgb=rgb)


def cloud_rgb(cloud: scene_lib.Cloud) -> UInt8[np.ndarray, "points 3"]:
    """Colours of the points of a cloud, by depth where it has none."""
    if cloud.rgb is not None:
        return cloud.rgb
    depth = cloud.xyz[:, 2]
    if not len(depth):
        return np.zeros((0, 3), np.uint8)
    low, high = np.quantile(depth, [0.02, 0.98])
    share = np.clip((depth - low) / max(float(high - low), 0.1), 0.0, 1.0)[:, None]
    return np.rint(_NEAR + share * (_FAR - _NEAR)).astype(np.uint8)


def _pictures(scene: scene_lib.Scene, budget: float) -> Json | None:
    """Compressed pictures; None without any, or where Pillow is not installed."""
    if scene.pictures is None:
        return None
    try:
        from PIL import Image
    except ModuleNotFoundError:
        return None
    images = [Image.fromarray(image) for image in pictures_rgb(scene)]
    scale, quality = _compression(images, _bytes(budget))

    def encoded(image: Any) -> str:
        file = _webp(_resized(image, scale), quality)
        return base64.b64encode(file).decode("ascii")

    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        files = list(pool.map(encoded, images))
    return {
        "kind": "depth" if scene.pictures.images[0].ndim == 2 else "colour",
        "camera": _camera(scene.pictures.camera),
        "files": files,
    }


def _compression(images: Sequence[Any], most: float) -> tuple[float, int]:
    """Scale and quality with which pictures have that many bytes or fewer, on average.

    Found on a few of them.
    """
    width, height = images[0].size
    scale = min(1.0, math.sqrt(_MAX_PIXELS / (width * height)))
    while True:
        small = [_resized(image, scale) for image in images[:: -(-len(images) // 4)]]
        for quality in _QUALITIES:
            used = np.mean([len(_webp(image, quality)) for image in small])
            if used <= most or max(small[0].size) <= 160:
                return scale, quality
        scale *= 0.7


def _bytes(characters: float) -> float:
    """Bytes that so many characters of base64 hold."""
    return 0.75 * characters


def _resized(image: Any, scale: float) -> Any:
    width, height = (max(1, round(scale * side)) for side in image.size)
    return image if scale == 1.0 else image.resize((width, height))


def _webp(image: Any, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=quality, method=2)
    return file.getvalue()


def pictures_rgb(scene: scene_lib.Scene) -> Sequence[np.ndarray]:
    """Images as they are, depth maps in the colours of one range for all frames."""
    assert scene.pictures is not None
    images = scene.pictures.images
    if images[0].ndim == 3:
        return images
    shown = depth_range(scene)
    return [palette.depth_rgb(image, depth_range=shown) for image in images]


def depth_range(scene: scene_lib.Scene) -> tuple[float, float]:
    """Nearest and farthest depth of the people of a scene, metres, with a margin."""
    joints = np.concatenate([p.poses[0].xyz[..., 2].ravel() for p in scene.people])
    joints = joints[np.isfinite(joints)]
    near, far = np.quantile(joints, [0.02, 0.98]) if len(joints) else (1.0, 4.0)
    return max(float(near) - 0.3, 0.05), float(far) + 0.3
