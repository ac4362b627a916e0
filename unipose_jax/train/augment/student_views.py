"""Augmented views of the inputs of a stage-2 network: crops and keypoints."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from unipose_jax import models, skeleton
from unipose_jax.train import settings
from unipose_jax.train.augment import crop_augment, keypoint_augment

_CROP_AUGMENTATIONS: dict[str, tuple[Callable, Callable]] = {
    "depth_crop": (crop_augment.warp_depth, crop_augment.degrade_depth),
    "color_crop": (crop_augment.warp_color, crop_augment.degrade_color),
}
_KEYPOINTS = 1 << 20  # folded into keys; frames, which are fewer, fold in their number


def augment_crop(
    key: jax.Array, seen: dict, name: str, config: settings.CropAugmentation
) -> tuple[crop_augment.CropTransform, dict]:
    """A random transform of every frame of a clip, and the transformed inputs.

    Args:
        key: a `jax.random.key`.
        seen: inputs of the network, of one clip.
        name: "depth_crop" or "color_crop".
        config: of the crops.
    """
    image, matrix = seen[name], seen[f"{name}_matrix"]
    through, change = _CROP_AUGMENTATIONS[name]

    def augment_frame(index, image, matrix):
        frame_key = jax.random.fold_in(key, index)
        view_key, value_key = jax.random.split(frame_key)
        view = crop_augment.sample_transform(
            view_key,
            size=image.shape[0],
            rotation=config.rotation,
            scale=config.scale,
            translation=config.translation,
            mirror=config.mirror,
        )
        changed = change(value_key, through(view, image), config)
        return view, changed, crop_augment.transform_matrix(view, matrix)

    views, images, matrices = jax.vmap(augment_frame)(
        jnp.arange(len(image)), image, matrix
    )
    return views, seen | {name: images, f"{name}_matrix": matrices}


def augment_keypoints(
    keys: jax.Array,
    seen: Mapping[str, jax.Array],
    views: crop_augment.CropTransform,
    crop: str,
    config: settings.KeypointErrors,
    skel: skeleton.Skeleton,
) -> dict[str, jax.Array]:
    """Keypoints with errors, named as in the views, which the crop's matrix moves.

    Args:
        keys: one for each clip of the batch.
        seen: inputs of the network, with the crops of the views.
        views: of `augment_crop`.
        crop: "depth_crop" or "color_crop".
        config: the errors.
        skel: of the joints.

    Returns:
        `uv` and `confidence`.
    """
    # Side of the crop in pixels of the keypoint camera.
    focal = jnp.sqrt(seen["intrinsics"][:, 0] * seen["intrinsics"][:, 1])
    matrix = seen[f"{crop}_matrix"]
    scale = jnp.sqrt(jnp.abs(jnp.linalg.det(matrix)))
    size = seen[crop].shape[2] * focal[:, None] / jnp.maximum(scale, 1e-6)
    known = seen["confidence"] > 0.0
    clean = jnp.where(known[..., None], seen["uv"], 0.0)

    def add_errors(key, uv, confidence, size):
        return keypoint_augment.add_errors(
            jax.random.fold_in(key, _KEYPOINTS),
            uv,
            confidence,
            size=size,
            config=config,
            skeleton=skel,
        )

    uv, confidence = jax.vmap(add_errors)(keys, clean, seen["confidence"], size)
    swapped, flag = jnp.array(skel.mirror), views.mirrored[..., None]
    return {
        "uv": jnp.where(flag[..., None], uv[:, :, swapped], uv),
        "confidence": jnp.where(flag, confidence[:, :, swapped], confidence),
    }


def undo_mirror(
    estimate: models.PoseEstimate, mirrored: jax.Array, skel: skeleton.Skeleton
) -> models.PoseEstimate:
    """Joints of mirrored views under the names that they have in the original."""
    swapped = jnp.array(skel.mirror)

    def back(value):  # (batch, frames, joints, ...)
        flag = mirrored.reshape(*mirrored.shape, *(1,) * (value.ndim - 2))
        return jnp.where(flag, value[:, :, swapped], value)

    return jax.tree.map(back, estimate)
