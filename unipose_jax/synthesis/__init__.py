"""Rendered RGB-D people: motion, body, room, cameras and their errors, from a seed."""

from unipose_jax.synthesis import (
    body,
    cloud,
    crops,
    crowd,
    detector,
    images,
    mocap,
    motion,
    paint,
    pools,
    render,
    room,
    scene,
    sensor,
    shape,
    viewpoint,
)
from unipose_jax.synthesis.pools import make_renderer, render_pool
from unipose_jax.synthesis.scene import SceneParams, clip_key, make_clip

__all__ = [
    "SceneParams",
    "body",
    "clip_key",
    "cloud",
    "crops",
    "crowd",
    "detector",
    "images",
    "make_clip",
    "make_renderer",
    "mocap",
    "motion",
    "paint",
    "pools",
    "render",
    "render_pool",
    "room",
    "scene",
    "sensor",
    "shape",
    "viewpoint",
]
