"""Ray casting of bodies and rooms into depth, mask and colour images."""

from unipose_jax.synthesis.render import (
    body,
    images,
    part_labels,
    raycast,
    room,
    shading,
    viewpoint,
)

__all__ = [
    "body",
    "images",
    "part_labels",
    "raycast",
    "room",
    "shading",
    "viewpoint",
]
