"""Test and training clips of `benchmarks.lifting`: joints, and simulated keypoints."""

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from data_pipelines.ground import settings as data_settings
from data_pipelines.rendered import cache, clip_pool
from unipose_jax import skeleton
from unipose_jax.geometry import transforms
from unipose_jax.synthesis import scene
from unipose_jax.synthesis.sensing import detector

Clips = dict[str, np.ndarray]
_STATURE = 1.7  # metres, with which errors grow; clips do not tell the true one


def detections(
    clips: Clips,
    params: detector.DetectorParams,
    data: data_settings.DataSettings,
    skel: skeleton.Skeleton,
    *,
    seed: int,
) -> Clips:
    """Keypoints that another draw of the simulated detector finds.

    Args:
        clips: with true joints and their visibility.
        params: the detector's errors.
        data: of the clips.
        skel: of the joints.
        seed: of the errors.
    """
    rendered = clip_pool.scene_params(data, "test")
    keys = jax.random.split(jax.random.key(seed), len(clips["xyz"]))

    @jax.jit
    @jax.vmap
    def find(key, xyz, visible, intrinsics, pose):
        seen = transforms.apply(pose, xyz)
        return detect(
            key, seen, visible, intrinsics, rendered=rendered, skel=skel, params=params
        )

    names = ("xyz", "visible", "intrinsics", "cam_from_points")
    uv, confidence = find(keys, *(clips[name] for name in names))
    return {"uv": np.asarray(uv), "confidence": np.asarray(confidence)}


def detect(
    key: jax.Array,
    xyz: Float[Array, "frames joints 3"],
    visible: Bool[Array, "frames joints"],
    intrinsics: Float[Array, " 4"],
    *,
    rendered: scene.SceneParams,
    skel: skeleton.Skeleton,
    params: detector.DetectorParams,
) -> tuple[Float[Array, "frames joints 2"], Float[Array, "frames joints"]]:
    """Keypoints of one clip by the simulated detector, for a person of mean height.

    Args:
        key: a `jax.random.key`.
        xyz: true joints, metres, keypoint camera.
        visible: of the joints.
        intrinsics: (fx, fy, cx, cy) of the keypoint camera, pixels.
        rendered: size and rate of the images.
        skel: of the joints.
        params: the detector's errors.
    """
    return detector.simulate(
        key,
        xyz,
        visible,
        intrinsics=intrinsics,
        stature=_STATURE,
        size=(rendered.height, rendered.width),
        fps=rendered.fps,
        skeleton=skel,
        params=params,
    )


def joint_clips(data: data_settings.DataSettings, split: str, count: int) -> Clips:
    """Joints of rendered clips in the frame of the keypoint camera, without images.

    Args:
        data: of the clips; `frames` is their length.
        split: one of `scene.SPLITS`.
        count: number of clips.
    """
    names = (
        *("uv", "confidence", "intrinsics", "cam_from_points"),
        *("xyz", "xyz_valid", "visible"),
    )
    params = clip_pool.scene_params(data, split)

    @jax.jit
    def make(key):  # the images, which nothing reads, are not computed
        clip = scene.make_clip(key, params)
        return {name: clip[name] for name in names}

    def render() -> Clips:
        key = scene.split_key(data.seed, split)
        made = [jax.device_get(make(jax.random.fold_in(key, i))) for i in range(count)]
        clips = {name: np.stack([m[name] for m in made]) for name in names}
        pose = clips["cam_from_points"]
        xyz = transforms.apply(pose[:, None], clips["xyz"])
        same = np.broadcast_to(np.eye(4, dtype=np.float32), pose.shape)
        return clips | {"xyz": np.asarray(xyz), "cam_from_points": same}

    parts = ["joints", repr(params), str(data.seed)]
    return cache.load_or_make(data.cache_dir, f"joints-{split}-{count}", parts, render)
