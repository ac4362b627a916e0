"""Errors of depth cameras and 2D detectors, and what a network is given of a clip."""

from unipose_jax.synthesis.sensing import detector, image_crops, person_points, sensor

__all__ = ["person_points", "image_crops", "detector", "sensor"]
