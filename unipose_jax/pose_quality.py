"""Confidence of predicted joints, calibrated with what a wrong pose looks like.

A network that has only been trained on people is also fairly confident on a chair. A
logistic model of its confidence and of how well the pose explains the person's points
gives the probability that a joint is within 10 cm. `benchmarks/calibrate.py` fits it on
rendered people and on clouds that are no whole upright person.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from unipose_jax.physics import anthropometry, capsules
from unipose_jax.skeleton import definitions

RADIUS = 0.1  # metres; a joint within it is right
DOUBTFUL = 0.5  # a pose of lower quality is doubtful
FEATURES = (
    "constant",
    "logit",  # of the network's confidence in the joint
    "top_logit",  # mean over the third of the joints with the highest confidence
    "log_excess",  # of the mean distance between the points and the body, see below
    "far_share",  # share of points more than 5 cm outside the body
    "distance",  # from the joint to the nearest point, beyond 0.1 m
)


def features(
    xyz: Float[Array, "*batch joints 3"],
    confidence: Float[Array, "*batch joints"],
    points: Float[Array, "*batch points 3"],
    *,
    skeleton: definitions.Skeleton,
) -> Float[Array, "*batch joints features"]:
    """Values from which the probability of a right joint is computed, see `FEATURES`.

    The body is the capsules around the bones (`physics.capsules`). They explain most
    points of a person, cropped or not, but not those of furniture.

    Args:
        xyz: predicted joints, metres.
        confidence: of the network, in (0, 1).
        points: of the person, metres, frame of `xyz`; a few hundred are enough.
        skeleton: the skeleton of the joints.
    """
    clipped = jnp.clip(confidence, 1e-4, 1.0 - 1e-4)
    logit = jnp.log(clipped) - jnp.log1p(-clipped)
    top = jnp.sort(logit, axis=-1)[..., -max(skeleton.num_joints // 3, 1) :]
    excess, _ = capsules.capsule_excess(
        xyz, points, skeleton=skeleton, radii=anthropometry.capsule_radii(skeleton)
    )
    apart = jnp.linalg.norm(xyz[..., :, None, :] - points[..., None, :, :], axis=-1)
    distance = jnp.clip(jnp.min(apart, axis=-1) - RADIUS, 0.0, 0.4)

    def of_pose(value):
        return jnp.broadcast_to(value[..., None], logit.shape)

    values = {
        "constant": jnp.ones_like(logit),
        "logit": logit,
        "top_logit": of_pose(jnp.mean(top, axis=-1)),
        "log_excess": of_pose(jnp.log1p(jnp.mean(excess, axis=-1) / 0.001)),
        "far_share": of_pose(jnp.mean(excess > 0.05, axis=-1)),
        "distance": distance,
    }
    return jnp.stack([values[name] for name in FEATURES], axis=-1)


def joint_probability(
    xyz: Float[Array, "*batch joints 3"],
    confidence: Float[Array, "*batch joints"],
    points: Float[Array, "*batch points 3"],
    *,
    skeleton: definitions.Skeleton,
    weights: Sequence[float],
) -> Float[Array, "*batch joints"]:
    """Probability that a joint is within 10 cm of the true one.

    sigmoid(w . f) with the features f.

    Args:
        xyz: predicted joints, metres.
        confidence: of the network, in (0, 1).
        points: of the person, metres, frame of `xyz`.
        skeleton: the skeleton of the joints.
        weights: w, one per feature.
    """
    values = features(xyz, confidence, points, skeleton=skeleton)
    return jax.nn.sigmoid(values @ jnp.asarray(weights, values.dtype))
