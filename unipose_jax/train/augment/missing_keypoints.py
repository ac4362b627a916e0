"""Keypoints that are missing: single joints, limbs, runs of frames, whole people.

A missing keypoint has confidence 0. A detector loses a joint for a whole recording (a
head outside the picture), a limb for some frames (behind furniture) or the person.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from unipose_jax import skeleton as skeletons
from unipose_jax.skeleton import kinematics
from unipose_jax.train import settings

_KIND_PROB = 0.5  # of each kind of loss, in clips with missing keypoints


def drop_keypoints(
    key: Key[Array, ""],
    confidence: Float[Array, "frames joints"],
    *,
    config: settings.KeypointAugmentation,
    skeleton: skeletons.Skeleton,
) -> Float[Array, "frames joints"]:
    """Removes keypoints from a random share of clips.

    Four kinds of loss occur independently, each in half of these clips: a part of the
    body (`parts`) in the whole clip; another part in a run of frames; all keypoints in
    a run of frames, half as long at most; single joints of single frames.

    Args:
        key: a `jax.random.key`.
        confidence: 0 where there is no keypoint.
        config: `missing_prob`, the share of clips with any loss; `missing_run`, the
            longest run, as a share of the clip; `missing_joints`, the largest share of
            single joints.
        skeleton: of the joints.

    Returns:
        Confidences; the clip is unchanged if nothing would be left.
    """
    keys = jax.random.split(key, 9)
    frames, joints = confidence.shape
    choices = jnp.array(parts(skeleton))
    chosen = choices[jax.random.randint(keys[0], (2,), 0, len(choices))]
    happens = jax.random.bernoulli(keys[1], _KIND_PROB, (4,))
    share = config.missing_joints * jax.random.uniform(keys[2])
    lost = happens[0] & chosen[0][None]
    lost |= happens[1] & _run(keys[3], frames, config.missing_run) & chosen[1][None]
    lost |= happens[2] & _run(keys[4], frames, config.missing_run / 2.0)
    single = jax.random.uniform(keys[5], (frames, joints)) < share
    lost |= happens[3] & single
    left = jnp.where(lost, 0.0, confidence)
    gate = jax.random.bernoulli(keys[6], config.missing_prob) & (left > 0).any()
    return jnp.where(gate, left, confidence)


def parts(skeleton: skeletons.Skeleton) -> Bool[np.ndarray, "parts joints"]:
    """Parts of the body that are lost together.

    For each joint of a limb or the head: the joint alone, with all that follow it in
    the tree, and these on both sides. Trunks, with more than half of the joints in
    their branch, are not lost.
    """
    mirror = np.array(skeleton.mirror)
    found = []
    for joint, branch in enumerate(kinematics.branches(skeleton)):
        if 2 * branch.sum() > skeleton.num_joints:
            continue
        alone = np.zeros_like(branch)
        alone[joint] = True
        found += [alone, branch, branch | branch[mirror]]
    return np.array(found)


def _run(key, frames: int, longest: float) -> Bool[Array, "frames 1"]:
    """A run of frames of random length, at most `longest` of all, somewhere."""
    start_key, length_key = jax.random.split(key)
    length = longest * frames * jax.random.uniform(length_key)
    start = (frames - length) * jax.random.uniform(start_key)
    number = jnp.arange(frames)
    return ((number >= start) & (number < start + length))[:, None]
