"""Simulated errors of depth cameras and 2D detectors; points and crops for networks."""

from unipose_jax.synthesis.sensing import detector, image_crops, person_points, sensor

__all__ = ["person_points", "image_crops", "detector", "sensor"]
