"""Augmentation of clips of keypoints: other cameras and people, noise, missing joints.

With 3D labels the person can be moved: the keypoints are projections of the moved
joints. Without labels only the camera rotates about its centre, which needs no depth.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from unipose_jax import skeleton as skeletons
from unipose_jax.geometry import camera
from unipose_jax.train import settings
from unipose_jax.train.augment import (
    missing_keypoints,
    person_augment,
    point_augment,
)

_LEG = ("hip", "knee", "ankle", "foot", "toe")


def augment_clip(
    key: Key[Array, ""],
    clip: Mapping[str, Array],
    *,
    config: settings.KeypointAugmentation,
    skeleton: skeletons.Skeleton,
) -> dict[str, Array]:
    """Augments one clip.

    Args:
        key: a `jax.random.key`.
        clip: `uv`, `confidence`, `intrinsics`, `xyz` and `xyz_valid` of one clip, and
            optionally `floor`.
        config: `pan`, `tilt`, `roll` (radians) of the camera about its centre and
            `mirror`; those of `person_augment.change_person` and of
            `missing_keypoints.drop_keypoints`; `keypoint_noise`, the largest deviation
            of keypoints, pixels, and `keypoint_noise_prob`, the share of clips with
            any.
        skeleton: of the joints.

    Returns:
        The same fields without `floor`, which is no longer true.
    """
    view_key, person_key, noise_key, missing_key = jax.random.split(key, 4)
    transform = point_augment.sample_transform(
        view_key,
        pan=config.pan,
        tilt=config.tilt,
        roll=config.roll,
        scale=0.0,
        mirror=config.mirror,
    )
    clip = person_augment.change_person(
        person_key, clip, config=config, skeleton=skeleton
    )
    clip = _transform_camera(transform, clip, skeleton)
    clip["confidence"] = missing_keypoints.drop_keypoints(
        missing_key, clip["confidence"], config=config, skeleton=skeleton
    )
    return _add_detector_noise(
        noise_key,
        clip,
        max_noise=config.keypoint_noise,
        probability=config.keypoint_noise_prob,
    )


def _transform_camera(
    transform: point_augment.PointTransform, clip: Mapping[str, Array], skeleton
) -> dict:
    """Rotates or mirrors the camera about its centre."""
    swapped = jnp.array(skeleton.mirror)

    def named(value):
        return jnp.where(transform.mirrored, value[:, swapped], value)

    rays = camera.ray_dirs_from_uv(clip["uv"], clip["intrinsics"][None])
    rays = point_augment.transform_points(transform, rays)
    xyz = jnp.where(clip["xyz_valid"][..., None], clip["xyz"], 0.0)
    return {
        "uv": named(camera.uv_from_xyz(rays, clip["intrinsics"][None])),
        "confidence": named(jnp.where(rays[..., 2] > 0.1, clip["confidence"], 0.0)),
        "intrinsics": clip["intrinsics"],
        "xyz": named(point_augment.transform_points(transform, xyz)),
        "xyz_valid": named(clip["xyz_valid"]),
    }


def _add_detector_noise(
    key, clip: Mapping[str, Array], *, max_noise: float, probability: float
) -> dict:
    """Adds keypoint noise to a random share of clips."""
    gate_key, size_key, value_key = jax.random.split(key, 3)
    size = max_noise * jax.random.uniform(size_key)
    size = jnp.where(jax.random.bernoulli(gate_key, probability), size, 0.0)
    return {**clip, "uv": add_noise(value_key, clip["uv"], size)}


def add_errors(
    key: Key[Array, ""],
    uv: Float[Array, "frames joints 2"],
    confidence: Float[Array, "frames joints"],
    *,
    size: Float[Array, " frames"],
    config: settings.KeypointErrors,
    skeleton: skeletons.Skeleton,
) -> tuple[Float[Array, "frames joints 2"], Float[Array, "frames joints"]]:
    """Adds errors of a 2D detector to keypoints, independently in each frame.

    The confidence does not know of them, so a network has to notice bad keypoints by
    the image and by the other joints.

    Args:
        key: a `jax.random.key`.
        uv: keypoints, pixels.
        confidence: 0 where there is no keypoint.
        size: the length that the errors are relative to, pixels.
        config: `person_dropout`, the share of frames without any keypoint;
            `joint_dropout`, of joints without one; `noise`, the largest standard
            deviation per axis, in a share `noise_prob` of frames; `outlier_noise`, the
            standard deviation of a share `outlier_prob` of joints; `swap_prob`, the
            share of frames in which left and right arms are exchanged, and of those in
            which legs are.
        skeleton: of the joints.

    Returns:
        Keypoints and their confidences.
    """
    keys = jax.random.split(key, 8)
    frames, joints = confidence.shape
    mirror = np.array(skeleton.mirror)
    legs = np.array([name.endswith(_LEG) for name in skeleton.joints])
    exchanged = jax.random.bernoulli(keys[0], config.swap_prob, (2, frames, 1))
    swapped = jnp.where(legs[None], exchanged[0], exchanged[1])
    uv = jnp.where(swapped[..., None], uv[:, mirror], uv)
    confidence = jnp.where(swapped, confidence[:, mirror], confidence)
    noise = config.noise * jax.random.uniform(keys[1], (frames, 1))
    noisy = jax.random.bernoulli(keys[2], config.noise_prob, (frames, 1))
    far = jax.random.bernoulli(keys[3], config.outlier_prob, (frames, joints))
    spread = jnp.where(far, config.outlier_noise, jnp.where(noisy, noise, 0.0))
    spread = (spread * size[:, None])[..., None]
    uv = uv + spread * jax.random.normal(keys[4], uv.shape)
    alone = jax.random.bernoulli(keys[5], config.joint_dropout, (frames, joints))
    nobody = jax.random.bernoulli(keys[6], config.person_dropout, (frames, 1))
    return uv, jnp.where(alone | nobody, 0.0, confidence)


def add_noise(
    key: Key[Array, ""], uv: Float[Array, "*batch 2"], size: Float[Array, ""] | float
) -> Float[Array, "*batch 2"]:
    """Adds independent Gaussian noise of standard deviation `size`, pixels."""
    return uv + size * jax.random.normal(key, uv.shape)
