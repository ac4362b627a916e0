"""Ray casting of bodies and rooms into depth, mask and colour images."""

from unipose_jax.synthesis.render import (
    body,
    images,
    paint,
    raycast,
    room,
    viewpoint,
)

__all__ = ["body", "images", "paint", "raycast", "room", "viewpoint"]
