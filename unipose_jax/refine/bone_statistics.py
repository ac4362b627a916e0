"""Bone lengths of each person, and how much they vary, from a sequence of poses."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.refine import robust
from unipose_jax.skeleton import definitions, kinematics

# Metres: standard deviation of the difference between left and right (ITOP's upper
# arms: 3.2 cm, partly noise).
_LEFT_RIGHT_STD = 0.02
# Metres: largest noise that is added to a joint for slow errors. ITOP's true joints
# move by 5 mm with it.
_MAX_SLOW_ERROR = 0.005


class BoneLengths(NamedTuple):
    """Bone lengths in metres.

    Attributes:
        length: (time, bones), of the person in each frame.
        excess: (bones,), standard deviation beyond what the noise explains.
    """

    length: Array
    excess: Array


@definitions.accepts_name
def estimate_lengths(
    xyz: Float[Array, "time joints 3"],
    *,
    valid: Bool[Array, "time joints"],
    person: Int[Array, " time"],
    noise: Float[Array, " joints"],
    skeleton: definitions.Skeleton,
    error: Float[Array, " joints"] | None = None,
) -> BoneLengths:
    """Median bone lengths of each person, and their variation beyond the noise.

    Args:
        xyz: joints, metres.
        valid: joints with False are ignored.
        person: number of the person in each frame, from 0 to time - 1.
        noise: white noise of the joints, metres per coordinate.
        skeleton: skeleton of the joints.
        error: noise and lasting errors of the joints, metres per coordinate, whose
            bias is subtracted from the lengths. None: smoothed joints, without bias.
    """
    child, parent = skeleton.bone_ends
    measured = kinematics.bone_lengths(xyz, skeleton=skeleton)
    known = valid[:, child] & valid[:, parent]
    by_bone = jax.vmap(robust.grouped_median, in_axes=(1, 1, None), out_axes=1)
    median, number = by_bone(measured, known, person)
    strayed = jnp.abs(measured - median[person])
    spread = 1.4826 * robust.masked_median(strayed, known, axis=0)
    noise_sq = noise[child] ** 2 + noise[parent] ** 2
    excess = jnp.sqrt(jnp.maximum(spread**2 - noise_sq, 0.0))
    if error is not None:
        error_sq = error[child] ** 2 + error[parent] ** 2
        usual = robust.masked_median(measured, known, axis=0)
        varied = robust.noise_of_length(usual, spread)
        median = without_bias(median, jnp.maximum(error_sq, varied**2)[None])
    pooled = _pool_left_right(median, number, spread, skeleton)
    return BoneLengths(length=pooled[person], excess=excess)


def without_bias(
    length: Float[Array, "*shape"], variance: Float[Array, "*#shape"]
) -> Float[Array, "*shape"]:
    r"""Lengths whose median is `length` after noise.

    Noise across a bone lengthens it. The median of |d + n| with Gaussian n of variance
    s^2 per coordinate is sqrt(d^2 + c s^2), with c = 2 for long bones and 2.4 at d = 0.

    Args:
        length: median lengths, metres.
        variance: s^2, m^2.

    Returns:
        sqrt(length^2 - 2 s^2), and at least half of `length`.
    """
    sq = length**2 - 2.0 * variance
    return jnp.sqrt(jnp.maximum(sq, (0.5 * length) ** 2))


@definitions.accepts_name
def add_slow_errors(
    noise: Float[Array, " joints"],
    excess: Float[Array, " bones"],
    *,
    skeleton: definitions.Skeleton,
) -> Float[Array, " joints"]:
    """Raises the noise of joints whose bones vary in length (slow errors), metres.

    Args:
        noise: of the joints, metres per coordinate.
        excess: see `BoneLengths`.
        skeleton: skeleton of the joints.
    """
    each_end = jnp.minimum(excess / np.sqrt(2.0), _MAX_SLOW_ERROR)
    for end in np.asarray(skeleton.bones, np.int32).T:
        noise = noise.at[end].max(each_end)
    return noise


def _pool_left_right(median, number, spread, skeleton):
    """Averages left and right bone lengths, weighted by their inverse variances."""
    if not skeleton.bone_pairs:
        return median
    left, right = np.asarray(skeleton.bone_pairs, np.int32).T
    partner = np.arange(median.shape[1])
    partner[left], partner[right] = right, left
    other, other_number = median[:, partner], number[:, partner]
    error_sq = spread[None] ** 2 / jnp.maximum(number, 1)
    other_sq = (
        spread[None, partner] ** 2 / jnp.maximum(other_number, 1) + _LEFT_RIGHT_STD**2
    )
    own = jnp.where(number > 0, other_sq / (error_sq + other_sq), 0.0)
    own = jnp.where(other_number > 0, own, 1.0)
    return own * median + (1.0 - own) * other
