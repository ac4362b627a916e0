"""Robust nonlinear least squares over a whole sequence."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Residuals = Mapping[str, Array]
"""Whitened residuals by term: (..., d), vectors with d components."""
Weights = Mapping[str, Array]
"""Non-negative weight of each residual vector: (...)."""


def gauss_newton(
    residuals: Callable[[Array, Array], tuple[Residuals, Weights]],
    xyz: Float[Array, "*shape"],
    *,
    schedule: Float[Array, "steps settings"],
    scale: Callable[[Array], Float[Array, "*shape"]],
    cg_steps: int,
    steps: Int[Array, ""] | int | None = None,
    damping: float = 1e-3,
) -> Float[Array, "*shape"]:
    r"""Iteratively reweighted Gauss-Newton steps, each solved by conjugate gradients.

    With residuals r, weights W and Jacobian J at x, a step solves
    (J^T W J + damping / scale^2) v = -J^T W r and moves to x + v. J is never formed.

    Args:
        residuals: function of (x, settings) that returns residuals and weights; the
            weights are not differentiated.
        xyz: initial value.
        schedule: the settings of each step.
        scale: function of settings that returns the approximate standard deviation of
            each unknown, used for preconditioning.
        cg_steps: largest number of conjugate-gradient iterations per step.
        steps: number of steps, so that schedules of different length, filled up, share
            a program. None: all of `schedule`.
        damping: keeps unknowns without observations at their values.
    """

    def step(index, x):
        settings = schedule[index]

        def whitened(unknown):
            return residuals(unknown, settings)

        size = scale(settings)
        found, push, weights = jax.linearize(whitened, x, has_aux=True)
        pull = jax.linear_transpose(push, x)

        def normal(v):
            pushed = push(size * v)
            (pulled,) = pull(_weighted(pushed, weights))
            return size * pulled + damping * v

        (gradient,) = pull(_weighted(found, weights))
        return x + size * _conjugate_gradients(normal, -size * gradient, cg_steps)

    return jax.lax.fori_loop(0, len(schedule) if steps is None else steps, step, xyz)


def _conjugate_gradients(apply, right, max_steps, tolerance=1e-3):
    """Solves `apply(x) = right` for a symmetric positive definite operator.

    As `jax.scipy.sparse.linalg.cg` from x = 0, but `apply` is in the program once
    instead of twice, which halves the time to compile it.
    """

    def dot(a, b):
        return jnp.vdot(a, b, precision=jax.lax.Precision.HIGHEST)

    def unfinished(state):
        *_, square, count = state
        return (square > enough) & (count < max_steps)

    def advance(state):
        x, residual, direction, square, count = state
        applied = apply(direction)
        length = square / dot(direction, applied)
        residual = residual - length * applied
        new = dot(residual, residual)
        x, direction = x + length * direction, residual + (new / square) * direction
        return x, residual, direction, new, count + 1

    first = dot(right, right)
    enough = tolerance**2 * first
    start = (jnp.zeros_like(right), right, right, first, 0)
    return jax.lax.while_loop(unfinished, advance, start)[0]


def _weighted(residuals, weights):
    return {
        name: jax.lax.stop_gradient(weights[name])[..., None] * residual
        for name, residual in residuals.items()
    }
