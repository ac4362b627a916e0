"""Rendered RGB-D people: motion, body, room, sensor and 2D detector, from a seed."""

from unipose_jax.synthesis import (
    body,
    detector,
    motion,
    render,
    room,
    scene,
    sensor,
    shape,
)
from unipose_jax.synthesis.scene import SceneParams, clip_key, make_clip, render_pool

__all__ = [
    "SceneParams",
    "body",
    "clip_key",
    "detector",
    "make_clip",
    "motion",
    "render",
    "render_pool",
    "room",
    "scene",
    "sensor",
    "shape",
]
