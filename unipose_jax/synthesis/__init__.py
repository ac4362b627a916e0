"""Synthetic RGB-D clips of people: motion, body, room, cameras and sensor errors."""

from unipose_jax.synthesis import (
    crowd,
    long_clip,
    motion,
    pools,
    render,
    scene,
    sensing,
)
from unipose_jax.synthesis.pools import make_renderer, render_pool
from unipose_jax.synthesis.scene import SceneParams, clip_key, make_clip

__all__ = [
    "SceneParams",
    "clip_key",
    "crowd",
    "long_clip",
    "make_clip",
    "make_renderer",
    "motion",
    "pools",
    "render",
    "render_pool",
    "scene",
    "sensing",
]
