"""Rotations, 4x4 rigid transforms, and rigid or similarity alignment of point sets.

`b_from_a` maps coordinates in frame a to frame b. Products of 3x3 matrices ask for
the highest precision: bfloat16 passes on a TPU would cost millimetres.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from unipose_jax.geometry import arrays, numerics


def from_rotation_translation(
    rotation: Float[Array, "*batch 3 3"], translation: Float[Array, "*batch 3"]
) -> Float[Array, "*batch 4 4"]:
    """The 4x4 transform x -> rotation x + translation (metres)."""
    top = jnp.concatenate([rotation, translation[..., None]], axis=-1)
    bottom = jnp.broadcast_to(jnp.eye(4)[3], (*top.shape[:-2], 1, 4))
    return jnp.concatenate([top, bottom.astype(top.dtype)], axis=-2)


def apply(
    transform: Float[Array, "*#batch 4 4"], xyz: Float[Array, "*batch n 3"]
) -> Float[Array, "*batch n 3"]:
    """Applies rigid transforms to points; leading axes of the transform broadcast.

    Args:
        transform: `b_from_a`, translation in metres.
        xyz: points, metres, frame a.

    Returns:
        The points in frame b.
    """
    shift = jnp.broadcast_to(transform[..., None, :3, 3], xyz.shape)
    return rotate(transform, xyz) + shift


def rotate(
    transform: Float[Array, "*#batch 4 4"], vectors: Float[Array, "*batch n 3"]
) -> Float[Array, "*batch n 3"]:
    """Rotates directions by rigid transforms, without their translation."""
    rotation = jnp.broadcast_to(transform[..., :3, :3], (*vectors.shape[:-2], 3, 3))
    return jnp.einsum("...ij,...nj->...ni", rotation, vectors, precision="highest")


def invert(transform: Float[Array, "*batch 4 4"]) -> Float[Array, "*batch 4 4"]:
    """Inverse of rigid transforms: `a_from_b` of `b_from_a`."""
    rotation = jnp.swapaxes(transform[..., :3, :3], -1, -2)
    shift = jnp.einsum(
        "...ij,...j->...i", rotation, transform[..., :3, 3], precision="highest"
    )
    return from_rotation_translation(rotation, -shift)


def compose(
    c_from_b: Float[Array, "*batch 4 4"], b_from_a: Float[Array, "*batch 4 4"]
) -> Float[Array, "*batch 4 4"]:
    """Chains two transforms: `c_from_a`, which applies `b_from_a` first."""
    return jnp.matmul(c_from_b, b_from_a, precision="highest")


def rotation_about(
    axis: Float[Array, "*batch 3"], angle: Float[Array, "*batch"]
) -> Float[Array, "*batch 3 3"]:
    """Rotation by `angle` radians about `axis`, right-handed (Rodrigues' formula).

    R = I + sin(angle) K + (1 - cos(angle)) K^2 with K the cross-product matrix of the
    unit axis. A zero axis gives the identity.
    """
    x, y, z = jnp.moveaxis(numerics.safe_normalize(axis), -1, 0)
    zero = jnp.zeros_like(x)
    rows = jnp.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1)
    cross = rows.reshape(*rows.shape[:-1], 3, 3)
    square = jnp.matmul(cross, cross, precision="highest")
    sine, versine = jnp.sin(angle), 1.0 - jnp.cos(angle)
    eye = jnp.broadcast_to(jnp.eye(3, dtype=cross.dtype), cross.shape)
    return eye + sine[..., None, None] * cross + versine[..., None, None] * square


def rotation_from_euler(
    angles: Float[Array, "*batch 3"], *, order: str = "xyz"
) -> Float[Array, "*batch 3 3"]:
    """Rotation by intrinsic Euler angles: order "xyz" is R = Rx(a0) Ry(a1) Rz(a2).

    Args:
        angles: radians, in the order of `order`.
        order: three of "x", "y", "z"; neighbours may not repeat.

    Raises:
        ValueError: `order` is not three axes, or an axis follows itself.
    """
    known = len(order) == 3 and set(order) <= set("xyz")
    if not known or order[1] in (order[0], order[2]):
        raise ValueError(
            f"order is {order!r}; use three of 'x', 'y', 'z', no neighbours alike"
        )
    eye = jnp.eye(3, dtype=angles.dtype)
    shape = angles.shape
    first, second, third = (
        rotation_about(jnp.broadcast_to(eye["xyz".index(name)], shape), angles[..., i])
        for i, name in enumerate(order)
    )
    product = jnp.matmul(first, second, precision="highest")
    return jnp.matmul(product, third, precision="highest")


def rigid_align(
    source: Float[arrays.AnyArray, "*batch n 3"],
    target: Float[arrays.AnyArray, "*batch n 3"],
    *,
    weight: Float[arrays.AnyArray, "*batch n"] | None = None,
) -> Float[arrays.AnyArray, "*batch n 3"]:
    """Aligns source points with the target by the best rotation and translation.

    Minimises the weighted sum of squared distances, without reflections (W. Kabsch,
    Acta Cryst. A32, 1976). The gradient is not usable where singular values coincide:
    meant for metrics, not for losses.

    Args:
        source: points to move, metres.
        target: where they should go, metres.
        weight: share of each point in the fit, 0 to leave it out (its target may
            then be NaN); None weighs all points alike.

    Returns:
        All source points, moved, in the frame of the target.
    """
    return _align(source, target, weight, with_scale=False)


def similarity_align(
    source: Float[arrays.AnyArray, "*batch n 3"],
    target: Float[arrays.AnyArray, "*batch n 3"],
    *,
    weight: Float[arrays.AnyArray, "*batch n"] | None = None,
) -> Float[arrays.AnyArray, "*batch n 3"]:
    """Aligns source points with the target by rotation, translation and scale.

    The Procrustes alignment of PA-MPJPE, without reflections (S. Umeyama, PAMI 13(4),
    1991). The gradient is not usable where singular values coincide: meant for metrics,
    not for losses.

    Args:
        source: points to move, metres.
        target: where they should go, metres.
        weight: share of each point in the fit, 0 to leave it out (its target may
            then be NaN); None weighs all points alike.

    Returns:
        All source points, moved, in the frame of the target.
    """
    return _align(source, target, weight, with_scale=True)


def _align(source, target, weight, *, with_scale):
    xp = arrays.namespace(source, target, weight)
    if weight is None:
        weight = xp.ones_like(source[..., 0])
    used = (weight > 0.0)[..., None]
    share = xp.where(used, weight[..., None], 0.0)
    total = xp.sum(share, axis=-2, keepdims=True)
    share = share / xp.where(total > 0.0, total, 1.0)

    known_source = xp.where(used, source, 0.0)
    known_target = xp.where(used, target, 0.0)
    source_mean = xp.sum(share * known_source, axis=-2, keepdims=True)
    target_mean = xp.sum(share * known_target, axis=-2, keepdims=True)
    centred = known_source - source_mean
    rotation, spread = _best_rotation(centred, known_target - target_mean, share)

    scale = xp.ones_like(spread)
    if with_scale:
        variance = xp.sum(share * centred**2, axis=(-2, -1))
        scale = numerics.safe_divide(spread, variance)
    moved = arrays.einsum("...ij,...nj->...ni", rotation, source - source_mean)
    return scale[..., None, None] * moved + target_mean


def _best_rotation(source, target, share):
    """Rotation of the centred source onto the target, and trace(S D) of Umeyama."""
    xp = arrays.namespace(source, target, share)
    covariance = arrays.einsum("...ni,...nj->...ij", share * target, source)
    # NaN stays NaN, for which the decomposition of NumPy raises an error.
    finite = xp.isfinite(covariance).all(axis=(-2, -1), keepdims=True)
    left, singular, right = xp.linalg.svd(xp.where(finite, covariance, 0.0))
    product = arrays.einsum("...ij,...jk->...ik", left, right)
    # Flip the weakest direction where the best orthogonal matrix is a reflection.
    flip = xp.where(xp.linalg.det(product) < 0.0, -1.0, 1.0)[..., None]
    signs = xp.concatenate([xp.ones_like(singular[..., :2]), flip], axis=-1)
    rotation = arrays.einsum("...ij,...jk->...ik", left * signs[..., None, :], right)
    rotation = xp.where(finite, rotation, xp.nan)
    return rotation, xp.sum(singular * signs, axis=-1)
