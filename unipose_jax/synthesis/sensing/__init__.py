"""Simulated errors of depth cameras and 2D detectors; points and crops for networks."""

from unipose_jax.synthesis.sensing import (
    detector,
    image_crops,
    mask_regions,
    normal_noise,
    person_points,
    pose_errors,
    sensor,
    sensor_kinds,
)

__all__ = [
    "person_points",
    "pose_errors",
    "mask_regions",
    "normal_noise",
    "image_crops",
    "detector",
    "sensor",
    "sensor_kinds",
]
