"""Augmentation of 2D keypoints that are inputs of a network: withheld joints and noise.

Keypoints are withheld so that one network serves any set of inputs. They are withheld
in *blind-spot* training too (Krull, Buchholz and Jug, Noise2Void, CVPR 2019): if a
noisy keypoint is both input and target, the network that copies it has the smallest
loss. A target that the network did not see has to be predicted from all the rest.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

_PARTS = 2  # groups of joints of which validation withholds one at a time


class Kept(NamedTuple):
    """Which inputs of a clip the network gets."""

    keypoints: Array  # (joints,) bool
    points: Array  # () bool


def sample_kept(
    key: Key[Array, ""],
    joints: int,
    *,
    dropout: float,
    no_keypoints_prob: float,
    no_points_prob: float,
) -> Kept:
    """Draws the inputs that a clip keeps.

    Args:
        key: a `jax.random.key`.
        joints: their number.
        dropout: mean share of joints that are withheld from clips with keypoints; the
            share of a clip is uniform around it.
        no_keypoints_prob: share of clips without any keypoint.
        no_points_prob: share of clips without points; these keep keypoints.
    """
    kind_key, share_key, joint_key = jax.random.split(key, 3)
    kind = jax.random.uniform(kind_key)
    width = min(dropout, 1.0 - dropout)
    share = dropout + width * jax.random.uniform(share_key, minval=-1.0, maxval=1.0)
    seen = jax.random.uniform(joint_key, (joints,)) >= share
    return Kept(
        keypoints=seen & (kind >= no_keypoints_prob),
        points=kind < 1.0 - no_points_prob,
    )


def add_noise(
    key: Key[Array, ""],
    uv: Float[Array, "frames joints 2"],
    intrinsics: Float[Array, "4"],
    distance: Float[Array, " frames"],
    *,
    largest: float,
) -> Float[Array, "frames joints 2"]:
    """Adds Gaussian noise of one random size to a clip's keypoints.

    Args:
        key: a `jax.random.key`.
        uv: pixels.
        intrinsics: (fx, fy, cx, cy), pixels.
        distance: depth of the person, metres; frames with 0 get no noise.
        largest: largest standard deviation per axis, metres at the person.
    """
    size_key, value_key = jax.random.split(key)
    metres = largest * jax.random.uniform(size_key)
    pixels = metres * intrinsics[None, :2] / jnp.maximum(distance, 0.1)[:, None]
    pixels = jnp.where(distance[:, None] > 0.0, pixels, 0.0)
    return uv + pixels[:, None, :] * jax.random.normal(value_key, uv.shape)


def blind_spots(joints: int) -> list[Bool[Array, " joints"]]:
    """Sets of joints to withhold one after the other; each joint is in one of them."""
    return [jnp.arange(joints) % _PARTS == part for part in range(_PARTS)]
