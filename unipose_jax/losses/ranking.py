"""Ranking of keypoints by depth, from labels of pairs; and which pairs to look at.

Weak supervision as in WSP (arXiv 2211.11983): a label says which of two keypoints is
nearer, not by how much.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from unipose_jax import reduction
from unipose_jax.skeleton import definitions

_FAR = 4  # bones; joints farther apart count as if they were so far


def ranking_loss(
    depth_a: Float[Array, "*pairs"],
    depth_b: Float[Array, "*pairs"],
    *,
    label: Int[Array, "*pairs"],
    weight: Float[Array, "*pairs"],
    valid: Bool[Array, "*pairs"],
) -> reduction.WeightedMean:
    r"""Three-way ranking loss of predicted relative depths.

    log(1 + exp(-r (z_b - z_a))) for a label r = +1 (a is nearer) or -1 (b is), and
    (z_a - z_b)^2 for r = 0.

    Args:
        depth_a: predicted depth of the first keypoint of each pair, any unit.
        depth_b: that of the second.
        label: +1, -1 or 0; ignored where not `valid`.
        weight: not negative, multiplies the penalty.
        valid: False removes a pair, even if it is NaN, from both sum and weight.

    Returns:
        Weighted mean penalty, not yet divided.
    """
    depth_a, depth_b = (jnp.where(valid, z, 0.0) for z in (depth_a, depth_b))
    behind = depth_b - depth_a
    # softplus is log(1 + exp(x)) without overflow.
    ordered = jax.nn.softplus(-label * behind)
    penalty = jnp.where(label == 0, behind**2, ordered)
    return reduction.weighted_mean(penalty, weight, valid)


def bones_between(skeleton: definitions.Skeleton) -> np.ndarray:
    """Bones on the way from joint to joint, (joints, joints)."""
    count = skeleton.num_joints
    steps = np.where(np.eye(count, dtype=bool), 0, 2 * count)
    for child, parent in skeleton.bones:
        steps[child, parent] = steps[parent, child] = 1
    for via in range(count):
        steps = np.minimum(steps, steps[:, [via]] + steps[[via], :])
    return steps


def pair_classes(
    label: Int[Array, "points points"], *, skeleton: definitions.Skeleton
) -> Int[Array, "points points"]:
    """What pairs are balanced by: people, label and bones between the joints.

    Args:
        label: of all ordered pairs of keypoints; keypoint j of person p is at
            p * joints + j.
        skeleton: of the people.

    Returns:
        An index for each pair; at most (people^2) 3 (_FAR + 1) different ones.
    """
    people = label.shape[-1] // skeleton.num_joints
    bones = np.minimum(bones_between(skeleton), _FAR)
    distance = np.tile(bones, (people, people))
    person = np.repeat(np.arange(people), skeleton.num_joints)
    pair = person[:, None] * people + person[None, :]
    cell = pair * 3 * (_FAR + 1) + distance
    return jnp.asarray(cell) + (label + 1) * (_FAR + 1)


def sample_pairs(
    key: jax.Array,
    labelled: Bool[Array, "points points"],
    *,
    classes: Int[Array, "points points"],
    num_classes: int,
    count: int,
) -> tuple[Int[Array, " count"], Int[Array, " count"], Bool[Array, " count"]]:
    """Draws pairs with replacement, each class that has any equally often.

    Args:
        key: random key.
        labelled: pairs to draw from.
        classes: below `num_classes`, from `pair_classes`.
        num_classes: static.
        count: pairs to draw, static.

    Returns:
        Indices of the first and of the second keypoints; False where there is no pair
        to draw.
    """
    flat, cell = labelled.reshape(-1), classes.reshape(-1)
    population = jnp.zeros(num_classes).at[cell].add(flat.astype(jnp.float32))
    share = jnp.where(flat, 1.0 / jnp.maximum(population[cell], 1.0), 0.0)
    ends = jnp.cumsum(share)
    draw = jax.random.uniform(key, (count,)) * ends[-1]
    place = jnp.searchsorted(ends, draw, side="right")
    place = jnp.minimum(place, flat.shape[0] - 1)
    first, second = jnp.divmod(place, labelled.shape[-1])
    return first, second, flat[place]


def num_classes(people: int, *, distances: int = _FAR + 1) -> int:
    """How many classes `pair_classes` gives for so many people."""
    return people**2 * 3 * distances
