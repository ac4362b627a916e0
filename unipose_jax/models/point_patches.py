"""Patches of a point cloud: farthest-point sampling and features of the surroundings.

For hardware without fast gathers and sorts (TPU, CPU): coordinates are separate arrays,
and neighbourhoods are products with a matrix of weights.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

REFERENCE_POINTS = 1024
"""Points of a cloud to which its density is scaled."""


def sample_farthest_points(
    xyz: Float[Array, "points 3"], valid: Bool[Array, " points"], *, count: int
) -> Int[Array, " count"]:
    """Farthest-point sampling: indices of `count` points spread over the cloud.

    Starts at the valid point farthest from the centroid, so that the result does not
    depend on the order of the points (up to exact ties). With fewer than `count` valid
    points some repeat; invalid points are only chosen if no point is valid.

    Args:
        xyz: metres, any frame.
        valid: False removes a point.
        count: number of indices.
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


def patch_features(
    xyz: Float[Array, "points 3"],
    valid: Bool[Array, " points"],
    centers: Float[Array, "centers 3"],
    *,
    frequencies: Float[Array, "3 waves"],
    bandwidths: tuple[float, ...],
) -> Float[Array, "centers features"]:
    r"""Features of the cloud around each centre: windowed characteristic functions.

    With weights w_n = exp(-|x_n - c|^2 / 2 s^2) for window s, the features are the
    weighted mean over n of exp(i f.(x_n - c)) for each frequency f, and log sum w_n,
    scaled to a cloud of `REFERENCE_POINTS`: twice as many points of the same surface
    have the same features.
    This is the kernel mean embedding of the patch in random Fourier features (Rahimi
    and Recht, NIPS 2007). Since f.(x_n - c) = f.x_n - f.c, the sums over points are
    matrix products, and the centre only multiplies the result by exp(-i f.c). There is
    no neighbour search and no gather.

    Args:
        xyz: metres, any frame. Ignored, even if NaN, where not valid.
        valid: False removes a point.
        centers: metres, the frame of `xyz`.
        frequencies: f, radians per metre.
        bandwidths: s, metres.

    Returns:
        2 waves + 1 features for each window; finite even without nearby points.
    """
    xyz = jnp.where(valid[:, None], xyz, 0.0)
    sq_dist = sum(
        (centers[:, None, axis] - xyz[None, :, axis]) ** 2 for axis in range(3)
    )
    phase = jnp.matmul(xyz, frequencies, precision="highest")
    turn = jnp.matmul(centers, frequencies, precision="highest")
    waves = _cos_sin(phase)
    cos_turn, sin_turn = _cos_sin(turn)
    density = REFERENCE_POINTS / jnp.maximum(valid.sum(), 1)
    features = []
    for window in bandwidths:
        weight = jnp.exp(-sq_dist / (2.0 * window**2)) * valid[None, :]
        total = weight.sum(axis=-1, keepdims=True) + 1e-6
        # Two products: joining cosines and sines first takes longer on CPU.
        cosine, sine = (
            jnp.matmul(weight, wave, precision="highest") / total for wave in waves
        )
        features += [
            cosine * cos_turn + sine * sin_turn,
            sine * cos_turn - cosine * sin_turn,
            jnp.log(density * total),
        ]
    return jnp.concatenate(features, axis=-1)


def _cos_sin(angle: Float[Array, "*shape"]) -> tuple[Array, Array]:
    """Cosine and sine, with an error below 3e-6 for angles up to 30 radians.

    Taylor series of half the angle, reduced to [-pi / 2, pi / 2], and double-angle
    formulas. This is ten times as fast as XLA's functions on a CPU, because it uses
    arithmetic only, which is vectorised.
    """
    half = 0.5 * (angle - 2.0 * jnp.pi * jnp.round(angle / (2.0 * jnp.pi)))
    sq = half * half
    sine = cosine = jnp.ones_like(half)
    for n in (11, 9, 7, 5, 3):
        sine = 1.0 - sine * sq / (n * (n - 1))
        cosine = 1.0 - cosine * sq / ((n - 1) * (n - 2))
    sine = half * sine
    return 1.0 - 2.0 * sine * sine, 2.0 * sine * cosine
