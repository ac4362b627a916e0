"""Ray casting of bodies, things and rooms into depth, mask and colour images."""

from unipose_jax.synthesis.render import (
    body,
    images,
    props,
    raycast,
    room,
    shading,
    things,
    viewpoint,
)

__all__ = [
    "body",
    "images",
    "shading",
    "raycast",
    "room",
    "things",
    "props",
    "viewpoint",
]
