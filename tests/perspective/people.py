"""People of known size, for tests: standing upright, seen from the front."""

import jax.numpy as jnp

from unipose_jax import skeleton
from unipose_jax.physics import anthropometry
from unipose_jax.skeleton import definitions

JOINTS = skeleton.COCO17


def standing(scale, *, u=0.0, floor=0.0):
    """COCO keypoints (17, 2), pixels, of a person of `scale` pixels per metre."""
    rows = []
    for name in JOINTS.joints:
        figure = anthropometry.JOINTS[anthropometry.joint_kind(name)]
        side = {"left": 1.0, "right": -1.0}.get(name.split("_")[0], 0.0)
        rows.append((side * figure.lateral, -figure.height))
    metres = anthropometry.STATURE * jnp.array(rows)
    return metres * scale + jnp.array([[u, floor]])


def mirrored(uv, width):
    """A picture's keypoints after a flip; sides follow the person."""
    flipped = jnp.stack([width - uv[..., 0], uv[..., 1]], axis=-1)
    return flipped[..., jnp.array(JOINTS.mirror), :]


def only(*names: str, skel: definitions.Skeleton = JOINTS):
    """Confidence 1 for these joints, 0 for others."""
    return jnp.array([float(name in names) for name in skel.joints])
