"""Patches of a point cloud: farthest-point centres and the cells around them.

Written for machines without fast gathers and sorts (TPU, CPU): coordinates are kept as
separate arrays, and grouping is a product with a 0/1 matrix.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def farthest_points(
    xyz: Float[Array, "points 3"], valid: Bool[Array, " points"], *, count: int
) -> Int[Array, " count"]:
    """Indices of `count` points spread over the cloud (greedy farthest-point order).

    Starts at the valid point farthest from the centroid, so the choice does not depend
    on the order of the points (up to exact ties). With fewer than `count` valid points
    some repeat; invalid points are never chosen while any point is valid.

    Args:
        xyz: metres, any frame.
        valid: False removes a point.
        count: how many indices to return.
    """
    x, y, z = (jnp.where(valid, xyz[:, axis], 0.0) for axis in range(3))
    index = jnp.arange(x.shape[0])

    def farthest(sq_dist):
        # argmax as a masked minimum of indices: several times faster on CPU.
        sq_dist = jnp.where(valid, sq_dist, -1.0)
        return jnp.min(jnp.where(sq_dist == sq_dist.max(), index, index.shape[0] - 1))

    def sq_dist_to(px, py, pz):
        return (x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2

    def add(step, carry):
        sq_dist, chosen = carry
        nearest = farthest(sq_dist)
        to_new = sq_dist_to(x[nearest], y[nearest], z[nearest])
        return jnp.minimum(sq_dist, to_new), chosen.at[step].set(nearest)

    total = jnp.maximum(valid.sum(), 1)
    first = farthest(sq_dist_to(x.sum() / total, y.sum() / total, z.sum() / total))
    chosen = jnp.zeros(count, dtype=index.dtype).at[0].set(first)
    sq_dist = sq_dist_to(x[first], y[first], z[first])
    return jax.lax.fori_loop(1, count, add, (sq_dist, chosen))[1]


def assign_to_nearest(
    xyz: Float[Array, "points 3"],
    valid: Bool[Array, " points"],
    centers: Float[Array, "centers 3"],
) -> Float[Array, "points centers"]:
    """One where a valid point's nearest centre is, zero elsewhere (Voronoi cells).

    A matrix, not an index: what follows are products, which every machine does fast.

    Args:
        xyz: metres, any frame.
        valid: False gives a row of zeros.
        centers: metres, the frame of `xyz`. Equal centres share their points.
    """
    sq_dist = sum(
        (xyz[:, None, axis] - centers[None, :, axis]) ** 2 for axis in range(3)
    )
    nearest = sq_dist == sq_dist.min(axis=-1, keepdims=True)
    return (nearest & valid[:, None]).astype(xyz.dtype)
