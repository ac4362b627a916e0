"""Balanced sampling of pairs of keypoints from one picture."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from unipose_jax.skeleton import definitions, kinematics

_MAX_PATH = 4  # bones; joints farther apart are in the class of this distance


@definitions.accepts_name
def pair_classes(
    label: Int[Array, "points points"], *, skeleton: definitions.Skeleton
) -> Int[Array, "points points"]:
    """Class of each pair: its people, its label and the bones between its joints.

    Args:
        label: -1, 0 or +1 of all ordered pairs of keypoints; keypoint j of person p is
            at p * joints + j.
        skeleton: of the people.

    Returns:
        Indices below `num_classes(people)`.
    """
    people = label.shape[-1] // skeleton.num_joints
    bones = np.minimum(kinematics.path_lengths(skeleton), _MAX_PATH)
    distance = np.tile(bones, (people, people))
    person = np.repeat(np.arange(people), skeleton.num_joints)
    pair = person[:, None] * people + person[None, :]
    index = pair * 3 * (_MAX_PATH + 1) + distance
    return jnp.asarray(index) + (label + 1) * (_MAX_PATH + 1)


def num_classes(people: int) -> int:
    """Number of classes of `pair_classes`, for so many people in a picture."""
    return people**2 * 3 * (_MAX_PATH + 1)


def sample_pairs(
    key: jax.Array,
    labelled: Bool[Array, "points points"],
    *,
    classes: Int[Array, "points points"],
    num_classes: int,
    count: int,
) -> tuple[Int[Array, " count"], Int[Array, " count"], Bool[Array, " count"]]:
    """Samples pairs with replacement; classes that have any are equally likely.

    Args:
        key: random key.
        labelled: pairs to sample from.
        classes: below `num_classes`, from `pair_classes`.
        num_classes: static.
        count: number of samples, static.

    Returns:
        Indices of the first and of the second keypoints; and a mask, False where there
        is no pair to sample from.
    """
    flat, index = labelled.reshape(-1), classes.reshape(-1)
    population = jnp.zeros(num_classes).at[index].add(flat.astype(jnp.float32))
    share = jnp.where(flat, 1.0 / jnp.maximum(population[index], 1.0), 0.0)
    ends = jnp.cumsum(share)
    draw = jax.random.uniform(key, (count,)) * ends[-1]
    place = jnp.searchsorted(ends, draw, side="right")
    place = jnp.minimum(place, flat.shape[0] - 1)
    first, second = jnp.divmod(place, labelled.shape[-1])
    return first, second, flat[place]
