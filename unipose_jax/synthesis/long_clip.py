"""Renders a clip of many frames one frame at a time, as a recording has them.

`pools` compiles one program for all frames of a short clip. Here one program samples
the scene and one renders a frame, so that compiling and memory do not grow with the
number of frames.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from unipose_jax.synthesis import scene
from unipose_jax.synthesis.render import images

# Each program runs a few dozen times: compiling costs more than it runs.
_COMPILER_OPTIONS = {"xla_backend_optimization_level": 0}


def render(
    key: jax.Array,
    params: scene.SceneParams,
    *,
    progress: Callable[[int], Any] | None = None,
) -> dict[str, np.ndarray]:
    """Renders one clip of one person, with depth and colour images.

    Args:
        key: from `scene.clip_key`. It gives the same person, motion, room and cameras
            as `scene.make_clip`; the noise of the images differs.
        params: of the clip; all clips have the sensor of `params.sensor`, none of its
            other kinds.
        progress: called after each frame with the number of finished frames.

    Returns:
        "depth" (measured, metres, 0 = none) and "color" (8-bit sRGB of the keypoint
        camera), each (frames, height, width, ...); time, uv, confidence, intrinsics,
        cam_from_points, depth_intrinsics, xyz, xyz_valid and visible of
        `scene.make_clip`.
    """
    key_scene, key_depth, _, key_uv = jax.random.split(key, 4)

    @_compile
    def sample(key):
        return scene.sample_scene(key, params)

    @_compile
    def joints(key, shot):
        return scene.joint_fields(key, shot, params)

    @_compile
    def draw(key, shot, frame):
        one = _frame_of(shot, frame)
        size = {"height": params.height, "width": params.width}
        depth = images.depth_images(
            jax.random.fold_in(key, frame),
            one,
            **size,
            sensor_params=dataclasses.replace(
                params.sensor, tof_share=0.0, stereo_share=0.0, lidar_share=0.0
            ),
            segmentation=params.segmentation,
        )["depth"]
        return depth[0], images.color_images(one, **size)[0]

    shot = sample(key_scene)
    clip = joints(key_uv, shot) | {
        "intrinsics": shot.view.color_intrinsics,
        "cam_from_points": shot.view.color_from_depth,
        "depth_intrinsics": shot.view.intrinsics,
    }
    drawn = []
    for frame in range(params.frames):
        drawn.append(jax.device_get(draw(key_depth, shot, frame)))
        if progress:
            progress(frame + 1)
    depth, color = (np.stack(each) for each in zip(*drawn, strict=True))
    time = np.arange(params.frames, dtype=np.float32) / params.fps
    return jax.device_get(clip) | {"time": time, "depth": depth, "color": color}


def _compile(function: Callable) -> Callable:
    return jax.jit(function, compiler_options=_COMPILER_OPTIONS)


def _frame_of(shot: images.Scene, frame: Array | int) -> images.Scene:
    """The scene of one frame; room, cameras and colours are those of all frames."""

    def take(tree):
        one = functools.partial(jax.lax.dynamic_slice_in_dim, slice_size=1)
        return jax.tree.map(lambda leaf: one(leaf, frame), tree)

    things = shot.things
    if things is not None:
        moving = ("cones", "box_center", "box_axes")
        moved = {name: take(getattr(things, name)) for name in moving}
        things = dataclasses.replace(things, **moved)
    return dataclasses.replace(
        shot,
        xyz_world=take(shot.xyz_world),
        person=take(shot.person),
        things=things,
    )
