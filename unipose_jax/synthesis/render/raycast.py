"""Analytic ray casting of tapered capsules and ellipsoids, culled by image tile.

Every primitive is a *round cone*, the convex hull of two spheres, under a linear map:
a capsule has equal radii, an ellipsoid has length 0 and a stretched basis. A ray is
cast only at primitives whose exact projected bounds reach the ray's 8x8 tile. The list
of (tile, primitive) pairs is processed in chunks of fixed size, so that the result is
exact at every distance and the cost depends on the area of the person, not of the
image.
"""

import dataclasses
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

T = TypeVar("T")
_TILE = 8  # pixels
_CHUNK = 512  # (tile, primitive) pairs per iteration
_ID_BITS = 5  # of the depth's mantissa: 31 primitives, 4e-6 relative error in depth
_NEAR = 0.05  # metres; primitives that reach nearer than this are cast at all pixels
MAX_PRIMITIVES = 2**_ID_BITS - 1
_MISS = np.uint32(0xFFFFFFFF)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Primitives:
    """Round cones: local point x of a primitive lies at `center + basis @ x`.

    In the local frame the first sphere is centred at the origin, the second at
    `length` along the first axis. There may be any leading axes. Lengths are in units
    of the basis, whose columns are orthogonal.
    """

    center: Array  # (*batch, prims, 3), metres
    basis: Array  # (*batch, prims, 3, 3), orthogonal columns
    length: Array  # (*batch, prims)
    start_radius: Array  # (*batch, prims)
    end_radius: Array  # (*batch, prims)


def transform(primitives: Primitives, b_from_a: Float[Array, "4 4"]) -> Primitives:
    """Moves primitives from frame a to frame b by a rigid transform."""
    rotation, translation = b_from_a[:3, :3], b_from_a[:3, 3]
    center = jnp.einsum(
        "ij,...j->...i", rotation, primitives.center, precision="highest"
    )
    basis = jnp.einsum(
        "ij,...jk->...ik", rotation, primitives.basis, precision="highest"
    )
    shift = translation.reshape((1,) * (center.ndim - 1) + (3,))
    return dataclasses.replace(primitives, center=center + shift, basis=basis)


def local_from_frame(
    basis: Float[Array, "*batch 3 3"],
) -> Float[Array, "*batch 3 3"]:
    """Inverse of a basis with orthogonal columns; zero columns give zero rows."""
    sq = jnp.sum(basis**2, axis=-2, keepdims=True)
    return jnp.swapaxes(basis / jnp.maximum(sq, 1e-12), -1, -2)


def pixel_dirs(
    intrinsics: Float[Array, "4"], *, height: int, width: int
) -> Float[Array, "height width 3"]:
    """Ray directions (x, y, 1) through all pixel centres; the ray parameter is z-depth.

    Args:
        intrinsics: (fx, fy, cx, cy), pixels.
        height: image height, pixels.
        width: image width, pixels.
    """
    x = (jnp.arange(width) + 0.5 - intrinsics[2]) / intrinsics[0]
    y = (jnp.arange(height) + 0.5 - intrinsics[3]) / intrinsics[1]
    x, y = jnp.meshgrid(x, y)
    return jnp.stack([x, y, jnp.ones_like(x)], axis=-1)


def cast_rays(
    primitives: Primitives, dirs: Float[Array, "*batch rays 3"]
) -> Float[Array, "*batch rays prims"]:
    """First hit of every ray from the origin with every primitive.

    Casts all pairs, which suits few rays; use `cast` for images.

    Args:
        primitives: batch axes as `dirs`, in the frame whose origin the rays leave.
        dirs: ray directions, any length.

    Returns:
        t of the first hit at t * dirs, inf for a miss.
    """
    inverse = local_from_frame(primitives.basis)
    origin = -jnp.einsum("...pij,...pj->...pi", inverse, primitives.center)
    local = jnp.einsum("...pij,...rj->...rpi", inverse, dirs)
    return _hit(
        origin[..., None, :, :],
        local,
        primitives.length[..., None, :],
        primitives.start_radius[..., None, :],
        primitives.end_radius[..., None, :],
    )


def cast(
    primitives: Primitives,
    intrinsics: Float[Array, "4"],
    *,
    height: int,
    width: int,
) -> tuple[Float[Array, "frames height width"], Int[Array, "frames height width"]]:
    """Renders each frame's primitives with a pinhole camera.

    Args:
        primitives: batch axes (frames,), camera frame, at most `MAX_PRIMITIVES`.
        intrinsics: (fx, fy, cx, cy), pixels.
        height: image height, pixels.
        width: image width, pixels.

    Returns:
        z-depth in metres (inf where nothing is hit) and the index of the primitive
        hit first (-1 where none).

    Raises:
        ValueError: too many primitives.
    """
    frames, prims = primitives.length.shape
    if prims > MAX_PRIMITIVES:
        raise ValueError(f"{prims} primitives; at most {MAX_PRIMITIVES} are supported")
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    first, size = _tile_boxes(primitives, intrinsics, rows=rows, columns=columns)
    codes = _cast_pairs(primitives, intrinsics, first, size, rows, columns)
    codes = codes.reshape(frames, rows * _TILE, columns * _TILE)
    return materialize(_decode(codes[:, :height, :width]))


def normals(
    primitives: Primitives,
    part: Int[Array, "frames height width"],
    xyz: Float[Array, "frames height width 3"],
) -> tuple[
    Float[Array, "frames height width 3"], Float[Array, "frames height width 3"]
]:
    """Outward unit normals, and local coordinates, of points on the primitives.

    Args:
        primitives: batch axes (frames,), camera frame.
        part: index of the primitive each point lies on; -1 gives arbitrary values.
        xyz: surface points, metres, camera frame.
    """
    frames = part.shape[0]
    inverse = local_from_frame(primitives.basis)
    offset = jnp.einsum(
        "fpij,fpj->fpi", inverse, primitives.center, precision="highest"
    )
    sizes = (primitives.length, primitives.start_radius, primitives.end_radius)
    table = jnp.concatenate(
        [inverse.reshape(frames, -1, 9), offset, jnp.stack(sizes, axis=-1)], axis=-1
    )
    frame = jnp.arange(frames)[:, None, None]
    picked = table[frame, jnp.maximum(part, 0)]
    # Sums of three components are written out: XLA's reductions of an axis of three
    # take several times as long on CPU.
    rows = [[picked[..., 3 * i + j] for j in range(3)] for i in range(3)]
    x, y, z = (xyz[..., axis] for axis in range(3))
    local = [
        row[0] * x + row[1] * y + row[2] * z - picked[..., 9 + i]
        for i, row in enumerate(rows)
    ]
    length, start_radius, end_radius = (picked[..., 12 + i] for i in range(3))
    slope = _slope(length, start_radius, end_radius)
    axial = jnp.clip((local[0] - slope * start_radius) / (1.0 - slope**2), 0.0, length)
    around = [local[0] - axial, local[1], local[2]]
    normal = [sum(rows[i][j] * around[i] for i in range(3)) for j in range(3)]
    norm = jnp.sqrt(jnp.maximum(sum(value**2 for value in normal), 1e-12))
    return (
        jnp.stack([value / norm for value in normal], axis=-1),
        jnp.stack(local, axis=-1),
    )


def materialize(tree: T) -> T:
    """Identity that prevents XLA from fusing the computations before and after it.

    On a CPU XLA ignores `optimization_barrier` and fuses one stage of image processing
    into the next, which then recomputes every pixel for each neighbour that needs it
    and takes twice as long. A loop that runs once, with a number of iterations that the
    compiler cannot infer, separates the stages.
    """
    first = jax.tree.leaves(tree)[0].reshape(-1)[0].astype(jnp.float32)
    rounds = jnp.where(jnp.isnan(first), 2, 1)
    empty = jax.tree.map(jnp.zeros_like, tree)

    def step(state):
        return state[0] + 1, tree

    return jax.lax.while_loop(lambda state: state[0] < rounds, step, (0, empty))[1]


def _slope(length: Array, start_radius: Array, end_radius: Array) -> Array:
    """Sine of the taper angle: decrease of the radius per unit of length."""
    taper = (start_radius - end_radius) / jnp.maximum(length, 1e-6)
    return jnp.clip(taper, -0.99, 0.99)


def _hit(
    origin: Array, dirs: Array, length: Array, start_radius: Array, end_radius: Array
) -> Array:
    """First t > 0 where origin + t dirs enters a round cone along the x axis.

    With sine s of the taper and c^2 = 1 - s^2 the tangent cone of the two spheres is
    c^2 (y^2 + z^2) = (r0 - s x)^2 between their tangent circles, x in
    [s r0, length + s r1]. The solid is convex and contains both spheres, so that the
    first hit is the nearest of the cone's and the spheres' entry points.
    """
    ox, oy, oz = origin[..., 0], origin[..., 1], origin[..., 2]
    dx, dy, dz = dirs[..., 0], dirs[..., 1], dirs[..., 2]
    slope = _slope(length, start_radius, end_radius)
    cos2 = 1.0 - slope**2
    side_dd, side_od, side_oo = dy**2 + dz**2, oy * dy + oz * dz, oy**2 + oz**2
    reach = start_radius - slope * ox
    entry = _entry(
        cos2 * side_dd - (slope * dx) ** 2,
        cos2 * side_od + slope * dx * reach,
        cos2 * side_oo - reach**2,
    )
    along = ox + entry * dx
    on_cone = (along >= slope * start_radius) & (along <= length + slope * end_radius)
    first = jnp.where(on_cone, entry, jnp.inf)
    dd = side_dd + dx**2
    for shift, radius in ((0.0, start_radius), (length, end_radius)):
        end = ox - shift
        entry = _entry(dd, side_od + end * dx, side_oo + end**2 - radius**2)
        first = jnp.minimum(first, entry)
    return first


def _entry(square: Array, half: Array, constant: Array) -> Array:
    """Entering root of square t^2 + 2 half t + constant, inf if none is positive."""
    disc = half**2 - square * constant
    square = jnp.where(jnp.abs(square) < 1e-12, 1e-12, square)
    root = (-half - jnp.sqrt(jnp.maximum(disc, 0.0))) / square
    return jnp.where((disc >= 0.0) & (root > 0.0), root, jnp.inf)


def _tile_boxes(
    primitives: Primitives, intrinsics: Array, *, rows: int, columns: int
) -> tuple[Array, Array]:
    """First tile (column, row) and number of tiles that each primitive may reach.

    The silhouette of an ellipsoid centre c, semi-axes matrix B, has the dual conic
    c c^T - B B^T, whose extent along an image axis solves a quadratic; a round cone
    spans the extents of its two ends.
    """
    end = primitives.center + primitives.basis[..., 0] * primitives.length[..., None]
    lows, highs, ahead, behind = [], [], [], []
    for center, radius in (
        (primitives.center, primitives.start_radius),
        (end, primitives.end_radius),
    ):
        spread = primitives.basis * radius[..., None, None]
        low, high = _silhouette_extent(center, spread)
        thickness = jnp.sqrt(jnp.sum(spread[..., 2, :] ** 2, axis=-1))
        lows.append(low)
        highs.append(high)
        ahead.append(center[..., 2] - thickness > _NEAR)
        behind.append(center[..., 2] + thickness < _NEAR)
    scale = intrinsics[:2].reshape(1, 1, 2)
    offset = intrinsics[2:].reshape(1, 1, 2)
    low = (jnp.minimum(*lows) * scale + offset) / _TILE
    high = (jnp.maximum(*highs) * scale + offset) / _TILE
    limit = jnp.array([columns, rows], jnp.float32).reshape(1, 1, 2)
    whole = ~(ahead[0] & ahead[1])[..., None]
    low = jnp.where(whole, 0.0, jnp.clip(jnp.floor(low), 0.0, limit))
    high = jnp.where(whole, limit, jnp.clip(jnp.floor(high) + 1.0, 0.0, limit))
    size = jnp.maximum(high - low, 0.0)
    size = jnp.where((behind[0] & behind[1])[..., None], 0.0, size)
    return low.astype(jnp.int32), size.astype(jnp.int32)


def _silhouette_extent(center: Array, spread: Array) -> tuple[Array, Array]:
    """Range of x / z and y / z over an ellipsoid that lies in front of the camera."""
    dual = center[..., :2] * center[..., 2:]
    dual -= jnp.sum(spread[..., :2, :] * spread[..., 2:, :], axis=-1)
    diagonal = center**2 - jnp.sum(spread**2, axis=-1)
    depth2 = jnp.maximum(diagonal[..., 2:], 1e-6)
    half = jnp.sqrt(jnp.maximum(dual**2 - diagonal[..., :2] * depth2, 0.0))
    return (dual - half) / depth2, (dual + half) / depth2


def _cast_pairs(
    primitives: Primitives,
    intrinsics: Array,
    first: Array,
    size: Array,
    rows: int,
    columns: int,
) -> Array:
    """Casts all (frame, primitive, tile) triples; packed first hit of each pixel."""
    frames, prims = primitives.length.shape
    first, size = first.reshape(-1, 2), size.reshape(-1, 2)
    ends = jnp.cumsum(size[:, 0] * size[:, 1])
    inverse = local_from_frame(primitives.basis)
    origin = -jnp.einsum("...ij,...j->...i", inverse, primitives.center)
    shape = jnp.stack(
        [primitives.length, primitives.start_radius, primitives.end_radius], axis=-1
    )
    table = jnp.concatenate(
        [inverse.reshape(frames, prims, 9), origin, shape], axis=-1
    ).reshape(frames * prims, 15)

    def step(state):
        start, codes = state
        pair = start + jnp.arange(_CHUNK)
        row = jnp.minimum(_count_below(ends, pair), frames * prims - 1)
        place = pair - (ends[row] - size[row, 0] * size[row, 1])
        span = jnp.maximum(size[row, 0], 1)
        tile_x, tile_y = first[row, 0] + place % span, first[row, 1] + place // span
        depth = _cast_tiles(table[row], tile_x, tile_y, intrinsics)
        code = _encode(depth, (row % prims)[:, None, None])
        frame = jnp.where(pair < ends[-1], row // prims, frames)
        codes = codes.at[frame, tile_y, :, tile_x, :].min(code, mode="drop")
        return start + _CHUNK, codes

    codes = jnp.full((frames, rows, _TILE, columns, _TILE), _MISS)
    state = (jnp.int32(0), codes)
    return jax.lax.while_loop(lambda s: s[0] < ends[-1], step, state)[1]


def _count_below(ends: Array, pair: Array) -> Array:
    """Index of the first entry of sorted `ends` above each of `pair`."""
    return jnp.searchsorted(ends, pair, side="right", method="scan")


def _cast_tiles(table: Array, tile_x: Array, tile_y: Array, intrinsics: Array) -> Array:
    """Depth (pairs, rows, columns) of one primitive per pair in one tile."""
    pixel = np.arange(_TILE) + 0.5
    u = (tile_x * _TILE)[:, None, None] + pixel[None, None, :]
    v = (tile_y * _TILE)[:, None, None] + pixel[None, :, None]
    x = ((u - intrinsics[2]) / intrinsics[0])[..., None]
    y = ((v - intrinsics[3]) / intrinsics[1])[..., None]
    rows = table[:, :9].reshape(-1, 1, 1, 3, 3)
    dirs = rows[..., 0] * x + rows[..., 1] * y + rows[..., 2]
    length, start_radius, end_radius = jnp.moveaxis(table[:, 12:, None, None], 1, 0)
    return _hit(table[:, None, None, 9:12], dirs, length, start_radius, end_radius)


def _encode(depth: Array, index: Array) -> Array:
    """Packs positive depth and a small index into one integer ordered by depth."""
    bits = jax.lax.bitcast_convert_type(depth.astype(jnp.float32), jnp.uint32)
    low = jnp.uint32(2**_ID_BITS - 1)
    code = (bits & ~low) | index.astype(jnp.uint32)
    return jnp.where(jnp.isfinite(depth), code, _MISS)


def _decode(code: Array) -> tuple[Array, Array]:
    """Depth (inf for a miss) and index (-1 for a miss) of a packed hit."""
    low = jnp.uint32(2**_ID_BITS - 1)
    depth = jax.lax.bitcast_convert_type(code & ~low, jnp.float32)
    index = (code & low).astype(jnp.int32)
    hit = code != _MISS
    return jnp.where(hit, depth, jnp.inf), jnp.where(hit, index, -1)
