"""Labels of the points of a rendered cloud: the body part that each was measured on."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from unipose_jax.skeleton import body_parts
from unipose_jax.synthesis.render import body, raycast

# Largest difference between measured and true depth of a point on the body, metres and
# 1/m (times z^2, as sensor errors grow): farther points are flying pixels.
_MARGIN, _MARGIN_GROWTH = 0.08, 0.005
_SAME_SURFACE = 0.002  # metres between two renderings of one surface


def label_points(
    points: Float[Array, "frames points 3"],
    person: raycast.Primitives,
    true_depth: Float[Array, "frames height width"],
    intrinsics: Float[Array, "4"],
) -> Int[Array, "frames points"]:
    """Body part of each point, int8: an index in `body_parts.NAMES`.

    A point is on the part that is the first surface of the scene at its pixel, unless
    it was measured far from that surface. All others, on the room, on objects and
    between surfaces, are on none.

    Args:
        points: metres, depth-camera frame, at pixel centres; zeros are padding and get
            `body_parts.UNKNOWN`.
        person: batch axes (frames,), depth-camera frame, in the order of `body.PARTS`.
        true_depth: exact depth of the first surface of the whole scene, metres.
        intrinsics: (fx, fy, cx, cy), pixels.
    """
    frames, height, width = true_depth.shape
    front, primitive = raycast.cast(person, intrinsics, height=height, width=width)
    z = points[..., 2]
    uv = points[..., :2] / jnp.where(z > 0.0, z, 1.0)[..., None]
    uv = uv * intrinsics[:2].reshape(1, 1, 2) + intrinsics[2:].reshape(1, 1, 2)
    limit = jnp.array([width - 1, height - 1]).reshape(1, 1, 2)
    column, row = jnp.moveaxis(jnp.clip(jnp.floor(uv).astype(int), 0, limit), -1, 0)
    frame = jnp.arange(frames)[:, None]
    body_z, scene_z = front[frame, row, column], true_depth[frame, row, column]
    primitive = primitive[frame, row, column]
    seen = (primitive >= 0) & (body_z <= scene_z + _SAME_SURFACE)
    near = jnp.abs(z - body_z) < _MARGIN + _MARGIN_GROWTH * z**2
    part = jnp.asarray(body.BODY_PART)[jnp.maximum(primitive, 0)]
    part = jnp.where(seen & near, part, body_parts.NONE)
    return jnp.where(z > 0.0, part, body_parts.UNKNOWN).astype(jnp.int8)
