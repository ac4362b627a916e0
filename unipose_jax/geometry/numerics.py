"""Norms, angles, divisions and robust penalties with finite gradients everywhere."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import arrays


def safe_norm(
    x: Float[arrays.AnyArray, "..."], *, axis: int = -1, keepdims: bool = False
) -> Float[arrays.AnyArray, "..."]:
    """Euclidean norm along `axis`, whose gradient is zero at the zero vector.

    Args:
        x: vectors, any unit. NaN stays NaN, here and in all functions of this file.
        axis: the axis of the components.
        keepdims: keep `axis` with size one.

    Returns:
        Lengths, in the unit of `x`.
    """
    xp = arrays.namespace(x)
    sq = xp.sum(x**2, axis=axis, keepdims=keepdims)
    vanishing = sq <= xp.finfo(sq.dtype).tiny
    return xp.where(vanishing, 0.0, xp.sqrt(xp.where(vanishing, 1.0, sq)))


def safe_normalize(
    x: Float[Array, "..."], *, axis: int = -1, eps: float = 1e-12
) -> Float[Array, "..."]:
    """Unit vectors along `axis`; those shorter than `eps` become zero, gradient too."""
    sq = jnp.sum(x**2, axis=axis, keepdims=True)
    vanishing = sq <= eps**2
    return jnp.where(vanishing, 0.0, x * jax.lax.rsqrt(jnp.where(vanishing, 1.0, sq)))


def safe_divide(
    numerator: Float[arrays.AnyArray, "*shape"],
    denominator: Float[arrays.AnyArray, "*shape"],
    *,
    eps: float = 1e-12,
    fallback: float = 0.0,
) -> Float[arrays.AnyArray, "*shape"]:
    """Quotient, or `fallback` with zero gradient where |denominator| <= eps."""
    xp = arrays.namespace(numerator, denominator)
    vanishing = xp.abs(denominator) <= eps
    quotient = numerator / xp.where(vanishing, 1.0, denominator)
    return xp.where(vanishing, fallback, quotient)


def fill_masked(
    x: Float[Array, "..."], where: Bool[Array, "..."] | None, *, fill: float = 0.0
) -> Float[Array, "..."]:
    """Replaces the entries of `x` outside `where` by `fill`.

    Apply it to the inputs of a computation: masking only the result would still send
    NaN of masked inputs through the gradient.

    Args:
        x: values, any unit.
        where: of the leading axes of `x`; None keeps all entries.
        fill: what stands in for the others; they get no gradient.
    """
    if where is None:
        return x
    axes = (1,) * (x.ndim - where.ndim)
    return jnp.where(where.reshape(where.shape + axes), x, fill)


def scale_gradient(
    x: Float[Array, "*batch n d"], weights: Float[Array, "*batch n"]
) -> Float[Array, "*batch n d"]:
    """Returns `x` unchanged, with the gradient of each vector multiplied by its weight.

    Args:
        x: vectors, e.g. joints in metres.
        weights: factors of the gradients; 0 holds a joint in place. They take no
            gradient themselves.
    """
    fixed = jax.lax.stop_gradient(x)
    return fixed + weights[..., None] * (x - fixed)


@jax.custom_jvp
def safe_arccos(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Arc cosine of `x` clipped to [-1, 1], radians, with a bounded derivative.

    The value is exact. The derivative $-1 / \sqrt{1 - x^2}$ is bounded by 1000 in
    magnitude and is zero outside [-1, 1], where rounding has pushed a cosine.
    """
    return jnp.arccos(jnp.clip(x, -1.0, 1.0))


@safe_arccos.defjvp
def _safe_arccos_jvp(primals, tangents):
    (x,), (x_dot,) = primals, tangents
    slope = -jax.lax.rsqrt(jnp.maximum(1.0 - x**2, 1e-6))
    return safe_arccos(x), jnp.where(jnp.abs(x) > 1.0, 0.0, slope) * x_dot


def angle_between(
    a: Float[Array, "*batch 3"], b: Float[Array, "*batch 3"]
) -> Float[Array, "*batch"]:
    r"""Angle between vectors, radians in [0, pi].

    $\mathrm{atan2}(\lVert a \times b \rVert, a \cdot b)$, accurate near 0 and pi,
    where an arc cosine is not. Zero, with zero gradient, where a vector vanishes; the
    gradient is zero too where they are parallel.
    """
    # Unit vectors first: products of tiny ones would underflow in arctan2's slope.
    a, b = safe_normalize(a), safe_normalize(b)
    sine = safe_norm(jnp.cross(a, b))
    cosine = jnp.sum(a * b, axis=-1)
    undefined = sine + jnp.abs(cosine) == 0.0
    return jnp.arctan2(sine, jnp.where(undefined, 1.0, cosine))


def pseudo_huber(sq: Float[Array, "*shape"], *, delta: float) -> Float[Array, "*shape"]:
    r"""Pseudo-Huber penalty of a squared distance.

    $$ \delta \left( \sqrt{1 + d^2 / \delta^2} - 1 \right) $$

    About $d^2 / (2 \delta)$ below `delta` and linear, $d - \delta$, far above. Written
    without the subtraction, so that small distances keep their digits.

    Args:
        sq: squared distances, m^2 (or any unit squared).
        delta: transition from quadratic to linear, in the unit of the distance.

    Returns:
        Penalties in the unit of the distance.
    """
    ratio = sq / delta**2
    return delta * ratio / (jnp.sqrt(1.0 + ratio) + 1.0)


def geman_mcclure(
    sq: Float[Array, "*shape"], *, scale: float
) -> Float[Array, "*shape"]:
    r"""Geman-McClure penalty of a squared distance, in [0, 1).

    $d^2 / (d^2 + c^2)$ with $c$ = `scale`: quadratic well below `scale`; far above, it
    tends to 1 and its gradient to 0.

    Args:
        sq: squared distances, m^2 (or any unit squared).
        scale: distance of half the full penalty, in the unit of the distance.
    """
    return sq / (sq + scale**2)
