"""Rooms: a box with furniture and an occluder, sampling and ray casting.

World frame: metres, y DOWN, floor at y = 0. The person stands near the origin; the
camera, at negative z, looks along +z. Walls and furniture do not intersect the circle
on the floor that contains the person's motion; only the occluder may stand between
person and camera.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from unipose_jax.skeleton import definitions
from unipose_jax.synthesis.uniform_ranges import scale_to_range

BODY = definitions.BODY


@dataclasses.dataclass(frozen=True)
class RoomParams:
    """Distributions of rooms; (low, high) are ranges of uniform distributions.

    Sizes of furniture and tables are common domestic dimensions; they are not fitted to
    a particular laboratory.
    """

    behind: tuple[float, float] = (0.1, 2.5)  # metres, person to back wall
    beside: tuple[float, float] = (0.4, 2.5)  # metres, person to side walls
    ceiling: tuple[float, float] = (2.3, 3.2)  # metres
    furniture: int = 5  # boxes that may stand behind or beside the person
    furniture_share: float = 0.6  # probability that each box is present
    furniture_half: tuple[float, float] = (0.1, 0.55)  # metres, half width and depth
    furniture_height: tuple[float, float] = (0.3, 1.9)  # metres
    occluder_share: float = 0.08  # share of clips with a table, pole or chair in front
    seat_share: float = 0.85  # share of sitting people with a seat
    upright_seats: bool = False  # whether only people with an upright trunk get a seat


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Room:
    """Walls as the faces of one box seen from inside, and solid boxes in it.

    A solid with zero half size is absent. Solids turn about the vertical by `yaw`.
    """

    low: Array  # (3,) metres, world: left, ceiling, front (behind the camera)
    high: Array  # (3,) metres, world: right, floor, back
    center: Array  # (boxes, 3) metres, world
    half: Array  # (boxes, 3) metres, half sizes
    yaw: Array  # (boxes,) radians


def sample_room(
    key: jax.Array,
    xyz_world: Float[Array, "frames joints 3"],
    camera_world: Float[Array, "3"],
    *,
    stature: Float[Array, ""],
    params: RoomParams,
) -> Room:
    """Samples a room around a person's motion and a camera.

    Args:
        key: random key.
        xyz_world: the person's joints in all frames, metres, world.
        camera_world: camera centre, metres, world.
        stature: the person's height, metres; a low pelvis relative to it means sitting.
        params: distributions.
    """
    draw = jax.random.uniform(key, (3, max(16, 8 * params.furniture)))
    low, high = _walls(draw[0], xyz_world, camera_world, params)
    circle, radius = _floor_circle(xyz_world)
    boxes = [
        _furniture(draw[1], circle, radius, params),
        _occluder(draw[2], circle, radius, camera_world, params),
        _seat(draw[2, 10:], xyz_world, stature, params),
    ]
    center, half, yaw = (jnp.concatenate(leaves) for leaves in zip(*boxes, strict=True))
    return Room(low=low, high=high, center=center, half=half, yaw=yaw)


def cast(
    room: Room, origin: Float[Array, "3"], dirs: Float[Array, "*batch 3"]
) -> tuple[Float[Array, "*batch"], Int[Array, "*batch"], Float[Array, "*batch 3"]]:
    """First hit of rays with the room.

    Args:
        room: walls and solids.
        origin: start of all rays, metres, world, inside the room.
        dirs: directions, world; the unit of t is their length.

    Returns:
        t of the hit (finite), the surface's index (0 side wall, 1 floor, 2 ceiling,
        3 front or back wall, 4 + i box i) and its unit normal, world, towards the
        ray's origin.
    """
    flat = dirs.reshape(-1, 3)
    best, index, normal = _inside(room, origin, flat)
    for box in range(room.yaw.shape[0]):
        entry, box_normal = _outside(room, box, origin, flat)
        nearer = entry < best
        best = jnp.where(nearer, entry, best)
        index = jnp.where(nearer, 4 + box, index)
        normal = jnp.where(nearer[:, None], box_normal, normal)
    shape = dirs.shape[:-1]
    return best.reshape(shape), index.reshape(shape), normal.reshape(*shape, 3)


def _inside(room: Room, origin: Array, dirs: Array) -> tuple[Array, Array, Array]:
    """Exit of rays from the room: t, index of the wall, and its inward normal."""
    dirs = jnp.where(jnp.abs(dirs) < 1e-9, 1e-9, dirs)
    wall = jnp.where(dirs > 0.0, room.high[None], room.low[None])
    exits = (wall - origin[None]) / dirs
    axis = jnp.argmin(exits, axis=-1)
    facing = jnp.arange(3)[None] == axis[:, None]
    normal = jnp.where(facing, -jnp.sign(dirs), 0.0)
    down = jnp.sum(jnp.where(facing, dirs, 0.0), axis=-1) > 0.0
    index = jnp.where(axis == 1, jnp.where(down, 1, 2), jnp.where(axis == 0, 0, 3))
    return jnp.min(exits, axis=-1), index, normal


def _outside(room: Room, box: int, origin: Array, dirs: Array) -> tuple[Array, Array]:
    """Entry of rays into a solid box: t (inf for a miss) and the outward normal."""
    start = _turn(origin - room.center[box], -room.yaw[box])
    dirs = _turn(dirs, -room.yaw[box])
    dirs = jnp.where(jnp.abs(dirs) < 1e-9, 1e-9, dirs)
    middle, reach = -start[None] / dirs, room.half[box][None] / jnp.abs(dirs)
    entry = jnp.max(middle - reach, axis=-1)
    hit = (entry < jnp.min(middle + reach, axis=-1)) & (entry > 0.0)
    facing = (middle - reach) == entry[:, None]
    normal = _turn(jnp.where(facing, -jnp.sign(dirs), 0.0), room.yaw[box])
    return jnp.where(hit, entry, jnp.inf), normal


def _turn(xyz: Array, yaw: Array) -> Array:
    """Rotates points about the vertical axis."""
    cos, sin = jnp.cos(yaw), jnp.sin(yaw)
    x, y, z = xyz[..., 0], xyz[..., 1], xyz[..., 2]
    return jnp.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)


def _walls(
    draw: Array, xyz_world: Array, camera_world: Array, params: RoomParams
) -> tuple[Array, Array]:
    """Corners of a room that contains person and camera, with a margin."""
    content = xyz_world.reshape(-1, 3)
    low = jnp.minimum(content.min(axis=0), camera_world) - 0.25
    high = jnp.maximum(content.max(axis=0), camera_world) + 0.25
    beside = scale_to_range(draw[:3], params.beside)
    back = high[2] + scale_to_range(draw[3], params.behind)
    ceiling = jnp.minimum(-scale_to_range(draw[4], params.ceiling), low[1])
    return (
        jnp.stack([low[0] - beside[0], ceiling, low[2] - beside[1]]),
        jnp.stack([high[0] + beside[2], 0.0 * back, back]),
    )


def _floor_circle(xyz_world: Array) -> tuple[Array, Array]:
    """Circle on the floor that contains the motion: centre (x, z) and radius."""
    floor = xyz_world.reshape(-1, 3)[:, ::2]
    center = 0.5 * (floor.min(axis=0) + floor.max(axis=0))
    distance2 = jnp.sum((floor - center[None]) ** 2, axis=-1)
    return center, jnp.sqrt(jnp.max(distance2)) + 0.15


def _furniture(
    draw: Array, circle: Array, radius: Array, params: RoomParams
) -> tuple[Array, Array, Array]:
    """Boxes on the floor, behind the person or at the sides."""
    draw = draw[: 7 * params.furniture].reshape(7, params.furniture)
    wide = scale_to_range(draw[:2], params.furniture_half)
    high = 0.5 * scale_to_range(draw[2], params.furniture_height)
    present = draw[3] < params.furniture_share
    yaw = scale_to_range(draw[4], (-0.6, 0.6))
    # Angle 0 is straight behind the person, +-100 degrees slightly towards the camera.
    angle = scale_to_range(draw[5], (-1.75, 1.75))
    gap = scale_to_range(draw[6], (0.05, 1.5))
    away = radius + jnp.sqrt(jnp.sum(wide**2, axis=0)) + gap
    x, z = circle[0] + away * jnp.sin(angle), circle[1] + away * jnp.cos(angle)
    half = jnp.stack([wide[0], high, wide[1]], axis=-1)
    center = jnp.stack([x, -high, z], axis=-1)
    return center, jnp.where(present[:, None], half, 0.0), yaw


def _occluder(
    draw: Array,
    circle: Array,
    radius: Array,
    camera_world: Array,
    params: RoomParams,
) -> tuple[Array, Array, Array]:
    """A table, a pole or a chair between camera and person, or nothing."""
    # Half width, half height, half depth of table, pole, chair with back; metres.
    sizes = jnp.array([[0.6, 0.38, 0.3], [0.05, 1.2, 0.05], [0.23, 0.45, 0.23]])
    half = sizes[(3.0 * draw[0]).astype(jnp.int32)]
    half = half * jnp.exp(scale_to_range(draw[1:4], (-0.2, 0.2)))
    present = draw[4] < params.occluder_share
    offset = camera_world[::2] - circle
    distance = jnp.sqrt(jnp.sum(offset**2))
    # Between the person's circle and 0.5 m from the camera; absent if they overlap.
    near, far = radius + half[2] + 0.05, distance - half[2] - 0.5
    away = near + 0.6 * draw[5] * jnp.maximum(far - near, 0.0)
    place = circle + offset / distance * away
    aside = scale_to_range(draw[6], (-0.5, 0.5)) * (0.3 + half[0])
    center = jnp.stack([place[0] + aside, -half[1], place[1]])
    half = jnp.where(present & (far > near), half, 0.0)
    return center[None], half[None], scale_to_range(draw[7:8], (-0.3, 0.3))


def _seat(
    draw: Array, xyz_world: Array, stature: Array, params: RoomParams
) -> tuple[Array, Array, Array]:
    """A seat for a person whose hips stay low: a box below the pelvis."""
    pelvis = xyz_world[:, BODY.index("pelvis")]
    height = -jnp.max(pelvis[:, 1])
    sits = (-jnp.min(pelvis[:, 1]) < 0.42 * stature) & (height > 0.2 * stature)
    present = sits & (draw[0] < params.seat_share)
    if params.upright_seats:
        rise = pelvis[:, 1] - xyz_world[:, BODY.index("thorax"), 1]
        present &= jnp.min(rise) > 0.15 * stature
    top = jnp.maximum(height - 0.065 * stature, 0.1)
    wide = scale_to_range(draw[1:3], (0.16, 0.26))
    middle = pelvis.mean(axis=0)
    center = jnp.stack([middle[0], -0.5 * top, middle[2]])
    half = jnp.where(present, jnp.stack([wide[0], 0.5 * top, wide[1]]), 0.0)
    return center[None], half[None], scale_to_range(draw[3:4], (-0.8, 0.8))


def num_surfaces(room: Room) -> int:
    """Number of surface indices that `cast` can return."""
    return 4 + room.yaw.shape[-1]
