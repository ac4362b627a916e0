"""Body proportions, procedural motion and retargeted motion capture."""

from unipose_jax.synthesis.motion import body_shape, procedural, retargeting

__all__ = ["retargeting", "procedural", "body_shape"]
