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

from unipose_jax.models.estimate import PoseEstimate
from unipose_jax.skeleton import body_offsets, definitions

NAME = "convention"
"""Of the head's parameters in a network."""


class ConventionHead(nn.Module):
    """Adds one learnt offset per joint, in the frame of the torso, to an estimate.

    With R the rotation of `kinematics.body_frame`, a constant for the gradient, and o_j
    the offset, x_j + R^T o_j. Offsets are symmetric (`body_offsets.make_symmetric`) and
    zero at the start, where they change nothing.

    A second parameter is how much deeper joints of the torso lie below the visible skin
    than `physics.anthropometry` says (`PoseEstimate.skin_shift`). Terms of the surface
    learn it at the place that the rays give the joints: they use `fixed_offset_xyz`,
    since together with the offsets it would be arbitrary.

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
        offset = body_offsets.make_symmetric(offset, skeleton=body)
        skin = 0.5 * (skin + skin[np.array(body.mirror)])
        skin = skin * body_offsets.moves_with_torso(body)

        def moved(estimate: PoseEstimate) -> PoseEstimate:
            parts, fixed = estimate.parts, jax.lax.stop_gradient(offset)
            return dataclasses.replace(
                estimate,
                xyz=body_offsets.add_offsets(estimate.xyz, offset, skeleton=body),
                fixed_offset_xyz=body_offsets.add_offsets(
                    estimate.xyz, fixed, skeleton=body
                ),
                skin_shift=jnp.broadcast_to(skin, estimate.xyz.shape[:-1]),
                parts=parts and {name: moved(part) for name, part in parts.items()},
            )

        return moved(estimate)
