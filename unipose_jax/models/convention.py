"""Where a data set puts its joints, relative to where a trained network puts them.

An offset per joint in the body's own frame, shared by all frames. It learns from few
clips, and from the rays of keypoints alone: people who face in several directions show
all three of its components.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from unipose_jax.models.estimate import PoseEstimate
from unipose_jax.skeleton import definitions, kinematics

NAME = "convention"
"""Of the head's parameters in a network."""

_LIMBS = ("elbow", "wrist", "hand", "thumb", "knuckle", "knee", "ankle", "foot")
_LIMBS += ("heel", "toe")
_MIRRORED = ((-1.0, 1.0, 1.0),)  # right, down, forward of the other side


class ConventionHead(nn.Module):
    """Adds one learnt offset per joint, in the frame of the torso, to an estimate.

    With R the rotation of `kinematics.body_frame`, a constant for the gradient, and o_j
    the offset, x_j + R^T o_j. The two sides mirror each other, so joints of the middle
    move in the plane of symmetry. Joints of the limbs do not move forward: their place
    relative to the torso changes with the pose, and rays of one camera do not tell the
    two apart. All parameters are zero at the start and change nothing.

    A second parameter is how much deeper joints of the torso lie below the visible skin
    than `physics.anthropometry` says (`PoseEstimate.skin_shift`).

    Attributes:
        skeleton: name of the skeleton of the joints.
    """

    skeleton: str

    @nn.compact
    def __call__(self, estimate: PoseEstimate) -> PoseEstimate:
        body = definitions.by_name(self.skeleton)
        shape = (body.num_joints,)
        offset = self.param("offset", nn.initializers.zeros, (*shape, 3))
        skin = self.param("skin", nn.initializers.zeros, shape)
        mirror, rigid = np.array(body.mirror), _moves_with_torso(body)
        offset = 0.5 * (offset + offset[mirror] * jnp.asarray(_MIRRORED))
        offset = offset.at[:, 2].multiply(rigid)
        skin = 0.5 * (skin + skin[mirror]) * rigid

        def moved(estimate: PoseEstimate) -> PoseEstimate:
            parts = estimate.parts
            return dataclasses.replace(
                estimate,
                xyz=offset_in_body_frame(estimate.xyz, offset, skeleton=body),
                skin_shift=jnp.broadcast_to(skin, estimate.xyz.shape[:-1]),
                parts=parts and {name: moved(part) for name, part in parts.items()},
            )

        return moved(estimate)


def offset_in_body_frame(
    xyz: Float[Array, "*batch joints 3"],
    offset: Float[Array, "joints 3"],
    *,
    skeleton: definitions.Skeleton,
) -> Float[Array, "*batch joints 3"]:
    """Joints moved by offsets in the frame of the torso; that frame is a constant.

    Args:
        xyz: metres.
        offset: right, down, forward from the person's view, metres.
        skeleton: names the joints.
    """
    axes = kinematics.body_frame(jax.lax.stop_gradient(xyz), skeleton=skeleton)
    return xyz + jnp.einsum("ji,...ik->...jk", offset, axes, precision="highest")


def _moves_with_torso(body: definitions.Skeleton) -> Float[Array, " joints"]:
    """1 for joints from head to hips, 0 for those of arms and legs beyond them."""
    limb = [any(word in name for word in _LIMBS) for name in body.joints]
    return 1.0 - jnp.asarray(limb, jnp.float32)
