"""Uniform random numbers in a range."""

from jaxtyping import Array


def scale_to_range(draw: Array, limits: tuple[float, float]) -> Array:
    """Maps uniform random numbers in [0, 1) to the range (low, high) of `limits`."""
    return limits[0] + (limits[1] - limits[0]) * draw
