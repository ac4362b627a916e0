"""How deep joints lie below the visible skin, by the convention of a data set.

Data sets put the joints of the same name at different places, most of all in depth. A
convention is a table of depths below the skin:

- "anatomy": joint centres of `anthropometry`, from body measurements. No labels.
- "ITOP": medians over labels of ITOP, so using them is using labels: 15 numbers, one
  per joint. They are z of the label minus the depth map at the label's pixel, on 123
  frames of the side-view test set; left and right are averaged (right/left, mm:
  shoulders 18/6, elbows 6/11, hands 4/10, hips 78/82, knees 48/46, feet 41/47), since a
  convention is the same on both sides.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from unipose_jax.geometry import arrays
from unipose_jax.physics import anthropometry
from unipose_jax.skeleton import definitions

ANATOMY = "anatomy"
LEARNT = "learnt"
"""Name in configs of those that a convention head learns, starting from anatomy."""

# Metres, by the kind of joint.
FROM_LABELS = {
    "ITOP": {
        "head": 0.088,
        "neck": 0.045,
        "shoulder": 0.012,
        "elbow": 0.0085,
        "hand": 0.007,
        "torso": 0.087,
        "hip": 0.080,
        "knee": 0.047,
        "foot": 0.044,
    }
}
CONVENTIONS = (ANATOMY, *FROM_LABELS)


@definitions.accepts_name
def typical(
    skeleton: definitions.Skeleton, *, convention: str = ANATOMY
) -> Float[Array, " joints"]:
    """Typical depth of joints below the visible skin along the line of sight, metres.

    Args:
        skeleton: names the joints.
        convention: one of `CONVENTIONS`.

    Raises:
        ValueError: there is no such convention, or it lacks a joint of the skeleton.
    """
    if convention == ANATOMY:
        return anthropometry.skin_depths(skeleton)
    if convention not in FROM_LABELS:
        raise ValueError(
            f"unknown convention {convention!r}; choose from {', '.join(CONVENTIONS)}"
        )
    table = FROM_LABELS[convention]
    kinds = [definitions.without_side(name) for name in skeleton.joints]
    if missing := sorted(set(kinds) - set(table)):
        raise ValueError(
            f"the convention {convention} has no skin depth for {', '.join(missing)} "
            f"of {skeleton.name}"
        )
    return jnp.asarray([table[kind] for kind in kinds], dtype=jnp.float32)


@definitions.accepts_name
def least(
    skeleton: definitions.Skeleton, *, convention: str = ANATOMY
) -> Float[Array, " joints"]:
    """Smallest depth of joints below the visible skin, metres.

    Where figures come from labels: `anthropometry.MIN_SKIN_SHARE` of the typical depth.

    Args:
        skeleton: names the joints.
        convention: one of `CONVENTIONS`.

    Raises:
        ValueError: see `typical`.
    """
    if convention == ANATOMY:
        return anthropometry.min_skin_depths(skeleton)
    return anthropometry.MIN_SKIN_SHARE * typical(skeleton, convention=convention)


@definitions.accepts_name
def convert(
    xyz: Float[arrays.AnyArray, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    source: str = ANATOMY,
    target: str,
) -> Float[arrays.AnyArray, "*batch joints 3"]:
    """Moves joints along their lines of sight from one convention to another.

    Args:
        xyz: joints, metres, camera frame.
        skeleton: names the joints.
        source: convention of `xyz`, one of `CONVENTIONS`.
        target: convention of the result.

    Returns:
        Joints whose depth differs by that of the two typical depths below the skin, at
        the same pixels, metres.

    Raises:
        ValueError: see `typical`.
    """
    deeper = typical(skeleton, convention=target) - typical(skeleton, convention=source)
    xp = arrays.namespace(xyz)
    z = xyz[..., 2:]
    moved = z + xp.asarray(deeper).reshape(*(1,) * (z.ndim - 2), -1, 1)
    return xyz * (moved / xp.where(xp.abs(z) > 0.0, z, 1.0))
