"""Depth order of people in one image, from the perspective of their 2D keypoints."""

from unipose_jax.perspective import apparent_size, order, pairs

__all__ = ["apparent_size", "order", "pairs"]
