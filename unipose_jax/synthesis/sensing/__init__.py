"""Errors of depth cameras and 2D detectors, and what a network is given of a clip."""

from unipose_jax.synthesis.sensing import cloud, crops, detector, sensor

__all__ = ["cloud", "crops", "detector", "sensor"]
