"""What perspective tells of depth in one picture: who is nearer, from 2D keypoints."""

from unipose_jax.perspective import apparent_size, order, pairs

__all__ = ["apparent_size", "order", "pairs"]
