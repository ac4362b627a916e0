"""Ray casting of bodies and rooms into depth, mask and colour images."""

from unipose_jax.synthesis.render import (
    body,
    images,
    raycast,
    room,
    shading,
    viewpoint,
)

__all__ = ["body", "images", "shading", "raycast", "room", "viewpoint"]
