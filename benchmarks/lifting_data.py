"""Test and training clips of `benchmarks.lifting`: joints, and simulated keypoints."""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np

from data_pipelines.ground import settings as data_settings
from data_pipelines.rendered import cache, clip_pool
from unipose_jax import skeleton
from unipose_jax.geometry import camera, transforms
from unipose_jax.synthesis import scene
from unipose_jax.synthesis.sensing import detector

Clips = dict[str, np.ndarray]


def detector_of(
    changes: Mapping[str, float], data: data_settings.DataSettings
) -> detector.DetectorParams:
    """The detector of a level: the config's, with noise or shares of errors changed."""
    usual = clip_pool.scene_params(data, "test").detector
    values = {
        name: value if name == "noise" else value * getattr(usual, name)
        for name, value in changes.items()
    }
    return dataclasses.replace(usual, **values)


def detections(
    clips: Clips,
    params: detector.DetectorParams,
    data: data_settings.DataSettings,
    skel: skeleton.Skeleton,
    *,
    seed: int,
) -> Clips:
    """Keypoints that another draw of the simulated detector finds."""
    width = clip_pool.scene_params(data, "test").width
    keys = jax.random.split(jax.random.key(seed), len(clips["xyz"]))

    @jax.jit
    @jax.vmap
    def find(key, xyz, visible, intrinsics, pose):
        uv = camera.uv_from_xyz(transforms.apply(pose, xyz), intrinsics)
        return detector.simulate(
            key, uv, visible, width=width, skeleton=skel, params=params
        )

    uv, confidence = find(
        keys,
        clips["xyz"],
        clips["visible"],
        clips["intrinsics"],
        clips["cam_from_points"],
    )
    return {"uv": np.asarray(uv), "confidence": np.asarray(confidence)}


def in_keypoint_camera(clips: Clips) -> Clips:
    """Clips whose joints are in the frame of the keypoint camera, as lifting needs."""
    xyz = transforms.apply(clips["cam_from_points"][:, None], clips["xyz"])
    pose = np.broadcast_to(np.eye(4, dtype=np.float32), clips["cam_from_points"].shape)
    return clips | {"xyz": np.asarray(xyz), "cam_from_points": pose}


def joint_clips(data: data_settings.DataSettings, split: str, count: int) -> Clips:
    """Joints and keypoints of rendered clips, without any image."""
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
        return {name: np.stack([m[name] for m in made]) for name in names}

    parts = ["joints", repr(params), str(data.seed)]
    return cache.load_or_make(data.cache_dir, f"joints-{split}-{count}", parts, render)
