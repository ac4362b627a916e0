"""Ray casting of bodies, things and rooms into depth, mask and colour images."""

from unipose_jax.synthesis.render import (
    body,
    images,
    part_labels,
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
    "part_labels",
    "props",
    "raycast",
    "room",
    "shading",
    "things",
    "viewpoint",
]
