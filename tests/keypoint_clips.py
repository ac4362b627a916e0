"""Clips of keypoints for tests of augmentation."""

import jax
import jax.numpy as jnp

from unipose_jax import skeleton
from unipose_jax.geometry import camera
from unipose_jax.train import settings

SKELETON = skeleton.HUMANEVA15
INTRINSICS = jnp.array([700.0, 720.0, 320.0, 240.0])


def config(**changes):
    """Augmentation that does nothing but `changes`."""
    names = ("pan", "tilt", "roll", "person_rotation", "distance_scale")
    still = dict.fromkeys((*names, "keypoint_noise"), 0.0)
    still |= {"mirror": False, "keypoint_noise_prob": 1.0}
    return settings.KeypointAugmentation(**still | changes)


def make_clip(labelled=True):
    """A clip of three frames, with or without 3D labels."""
    xyz = jax.random.normal(jax.random.key(0), (3, 15, 3)) * 0.4
    xyz = xyz + jnp.array([0.3, 0.1, 4.0])[None, None]
    return {
        "uv": camera.uv_from_xyz(xyz, INTRINSICS[None]),
        "confidence": jnp.ones((3, 15)),
        "intrinsics": INTRINSICS,
        "xyz": xyz if labelled else jnp.full_like(xyz, jnp.nan),
        "xyz_valid": jnp.full((3, 15), labelled),
    }
