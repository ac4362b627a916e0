"""Things that people hold, carry, wear or stand beside: rays that hit them.

A thing is a round cone (`raycast.Primitives`) or a box. Things hide the person, and
some belong to the segmented mask, but none belongs to the body. `props` samples them.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from unipose_jax.geometry import transforms
from unipose_jax.synthesis.render import raycast


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Things:
    """Round cones and one box of each frame; an absent thing has the size 0.

    The columns of `box_axes` are orthonormal. Indices of things count the cones first,
    then the box.
    """

    cones: raycast.Primitives  # (frames, cones), metres, world
    box_center: Array  # (frames, 3) metres, world
    box_axes: Array  # (frames, 3, 3)
    box_half: Array  # (3,) metres, half sizes
    in_mask: Array  # (cones + 1,) bool, whether the segmented mask contains the thing


def count(things: Things) -> int:
    """Number of things, absent ones included."""
    return things.in_mask.shape[-1]


def transform(things: Things, b_from_a: Float[Array, "4 4"]) -> Things:
    """Moves things from frame a to frame b by a rigid transform."""
    axes = jnp.einsum(
        "ij,fjk->fik", b_from_a[:3, :3], things.box_axes, precision="highest"
    )
    return dataclasses.replace(
        things,
        cones=raycast.transform(things.cones, b_from_a),
        box_center=transforms.apply(b_from_a, things.box_center),
        box_axes=axes,
    )


def cast(
    things: Things, intrinsics: Float[Array, "4"], *, height: int, width: int
) -> tuple[Float[Array, "frames height width"], Int[Array, "frames height width"]]:
    """Renders things with a pinhole camera.

    Args:
        things: in the camera frame.
        intrinsics: (fx, fy, cx, cy), pixels.
        height: image height, pixels.
        width: image width, pixels.

    Returns:
        z-depth in metres (inf where nothing is hit), and the index of the thing hit
        first (-1 where none).
    """
    size = {"height": height, "width": width}
    depth, index = raycast.cast(things.cones, intrinsics, **size)
    dirs = raycast.pixel_dirs(intrinsics, **size)[None]
    box = _box_entry(things, dirs)
    last = count(things) - 1
    return jnp.minimum(depth, box), jnp.where(box < depth, last, index)


def cast_rays(
    things: Things, dirs: Float[Array, "frames rays 3"]
) -> Float[Array, "frames rays"]:
    """First hit of rays from the origin, inf for a miss; suits few rays."""
    cones = raycast.cast_rays(things.cones, dirs).min(axis=-1)
    return jnp.minimum(cones, _box_entry(things, dirs[:, None])[:, 0])


def normals(
    things: Things,
    index: Int[Array, "frames height width"],
    xyz: Float[Array, "frames height width 3"],
) -> Float[Array, "frames height width 3"]:
    """Outward unit normals of points on things, all in the camera frame.

    Args:
        things: in the camera frame.
        index: the thing each point lies on; -1 gives arbitrary values.
        xyz: surface points, metres.
    """
    last = count(things) - 1
    cone = raycast.normals(things.cones, jnp.minimum(index, last - 1), xyz)[0]
    offset = xyz - things.box_center[:, None, None]
    local = jnp.einsum("fji,fhwj->fhwi", things.box_axes, offset)
    relative = local / jnp.maximum(things.box_half, 1e-6).reshape(1, 1, 1, 3)
    face = jnp.argmax(jnp.abs(relative), axis=-1)[..., None]
    facing = jnp.arange(3).reshape(1, 1, 1, 3) == face
    box = jnp.where(facing, jnp.sign(local), 0.0)
    box = jnp.einsum("fij,fhwj->fhwi", things.box_axes, box)
    return jnp.where((index == last)[..., None], box, cone)


def _box_entry(things: Things, dirs: Array) -> Array:
    """Entry of rays (1 or frames, rows, columns, 3) into the box, inf for a miss."""
    axes, half = things.box_axes, things.box_half
    origin = -jnp.einsum("fji,fj->fi", axes, things.box_center, precision="highest")
    near, far = [], []
    for axis in range(3):
        column = axes[:, None, None, :, axis]
        along = jnp.sum(dirs * column, axis=-1)
        along = jnp.where(jnp.abs(along) < 1e-9, 1e-9, along)
        middle = -origin[:, axis, None, None] / along
        reach = half[axis] / jnp.abs(along)
        near.append(middle - reach)
        far.append(middle + reach)
    entry = jnp.maximum(jnp.maximum(near[0], near[1]), near[2])
    leave = jnp.minimum(jnp.minimum(far[0], far[1]), far[2])
    hit = (entry < leave) & (entry > 0.0) & (jnp.min(half) > 0.0)
    return jnp.where(hit, entry, jnp.inf)
