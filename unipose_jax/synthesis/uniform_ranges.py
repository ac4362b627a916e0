"""Random numbers as the parts of a scene draw them."""

from jaxtyping import Array


def scale_to_range(draw: Array, limits: tuple[float, float]) -> Array:
    """Maps uniforms in [0, 1) to a range."""
    return limits[0] + (limits[1] - limits[0]) * draw
