"""Body proportions, procedural motion and motion capture of rendered people."""

from unipose_jax.synthesis.motion import mocap, procedural, shape

__all__ = ["mocap", "procedural", "shape"]
