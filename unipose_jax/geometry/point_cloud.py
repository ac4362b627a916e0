"""Inlier masks of point clouds, for NumPy and JAX arrays alike."""

import numpy as np
from jaxtyping import Bool, Float

from unipose_jax.geometry import arrays

VOXEL, MIN_SHARE = 0.05, 0.002  # metres; share of the points
_MIN_POINTS = 4  # in 3x3x3 voxels, the point itself included
_DENSE = 2**18  # voxels of a bounding box that NumPy counts without sorting


def inliers(
    xyz: Float[arrays.AnyArray, "points 3"],
    *,
    valid: Bool[arrays.AnyArray, " points"] | None = None,
    voxel: float = VOXEL,
    min_share: float = MIN_SHARE,
) -> Bool[arrays.AnyArray, " points"]:
    """Inlier mask: points with enough neighbours in the surrounding 3x3x3 voxels.

    Removes flying pixels, which depth cameras measure at the edges of objects. A point
    is an inlier if the 27 voxels hold at least 4 points, itself included, and at least
    `min_share` of the cloud. Memory is proportional to the number of points and does
    not depend on the extent of the cloud.

    Args:
        xyz: one person, metres, camera frame.
        valid: False removes a point, whatever it holds, from the inliers and from the
            counts; None is all.
        voxel: side of a voxel, metres.
        min_share: of the valid points.

    Returns:
        The mask. It is False for points that are not finite, and for points that are
        too far from the camera to number their voxels: along an axis, 511 voxels (25 m
        with the default) of JAX arrays, 524,287 voxels (26 km) of NumPy arrays.
    """
    xp = arrays.namespace(xyz)
    if valid is None:
        if xp is np and (found := _inliers_in_box(xyz, voxel, min_share)) is not None:
            return found
        valid = xp.ones(len(xyz), bool)
    bits = 20 if xp is np else 10  # of the number of a voxel along each axis
    number, inside = _voxel_numbers(xyz, valid, voxel, bits)
    if xp is np:  # A cloud has many points in few voxels: look each voxel up once.
        occupied, voxel_of_point = np.unique(number, return_inverse=True)
        count = _neighbors(number, occupied, bits)[voxel_of_point]
    else:
        count = _neighbors(number, number, bits)
    return inside & (count >= xp.maximum(_MIN_POINTS, min_share * valid.sum()))


def _inliers_in_box(xyz, voxel, min_share):
    """The same mask, several times faster; None where the bounding box is too large.

    All voxels of the box have a count, with a margin of one voxel, so that sums over
    three neighbours along each axis give the 27 voxels. Indices are whole numbers below
    2^24 and exact in float32.
    """
    if not len(xyz):
        return None
    axes = [np.floor(values / voxel) for values in xyz.T]  # contiguous: much faster
    low, high = (np.array([f(axis) for axis in axes]) for f in (np.min, np.max))
    near = (np.abs(low) < 2**19 - 1) & (np.abs(high) < 2**19 - 1)  # NaN is not
    if not near.all():
        return None
    size = high - low + 3
    if np.prod(size, dtype=float) > _DENSE:
        return None
    rows, columns, layers = size.astype(int).tolist()
    i, j, k = (axis - (first - 1) for axis, first in zip(axes, low, strict=True))
    number = ((i * columns + j) * layers + k).astype(int)
    count = np.bincount(number, minlength=rows * columns * layers)
    count = count.reshape(rows, columns, layers)
    for axis in range(3):
        before, middle, after = (
            np.moveaxis(count, axis, 0)[start : start - 2 or None] for start in range(3)
        )
        total = np.zeros_like(count)
        np.moveaxis(total, axis, 0)[1:-1] = before + middle + after
        count = total
    return (count >= max(_MIN_POINTS, min_share * len(xyz))).ravel().take(number)


def _voxel_numbers(xyz, valid, voxel, bits):
    """The number of each point's voxel, and whether the point has one.

    With the indices i, j, k along x, y, z, which are at least 1, the number is
    i 4^bits + j 2^bits + k. Points without a voxel have 8^bits, which is larger than
    the number of any neighbour of a voxel.
    """
    xp = arrays.namespace(xyz)
    kind = np.int64 if xp is np else np.int32
    half = 2 ** (bits - 1)
    place = xp.floor(xyz / voxel)
    inside = valid & (xp.abs(place) < half - 1).all(axis=-1)
    i, j, k = xp.where(inside[:, None], place + half, 0).astype(kind).T
    return xp.where(inside, (i << 2 * bits) + (j << bits) + k, 8**bits), inside


def _neighbors(number, wanted, bits):
    """How many points lie in the 3x3x3 voxels around each voxel of `wanted`.

    Voxels that differ along z alone have consecutive numbers, so the 27 voxels are 9
    columns, and each column is an interval in the sorted numbers of the points.
    """
    xp = arrays.namespace(number)
    ordered = xp.sort(number)
    shifts = (-1, 0, 1)
    columns = [(i << 2 * bits) + (j << bits) for i in shifts for j in shifts]
    middle = wanted[None] + xp.asarray(columns, number.dtype)[:, None]
    first = xp.searchsorted(ordered, middle - 1, side="left")
    last = xp.searchsorted(ordered, middle + 1, side="right")
    return (last - first).sum(axis=0)
