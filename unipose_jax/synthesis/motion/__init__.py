"""Body proportions, procedural motion and motion capture of rendered people."""

from unipose_jax.synthesis.motion import body_shape, procedural, retargeting

__all__ = ["retargeting", "procedural", "body_shape"]
