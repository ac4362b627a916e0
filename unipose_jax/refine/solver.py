"""Robust nonlinear least squares over a whole sequence."""

from collections.abc import Callable, Mapping

import jax
from jax.scipy.sparse import linalg
from jaxtyping import Array, Float

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
        damping: keeps unknowns without observations at their values.
    """

    def step(x, settings):
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
        move, _ = linalg.cg(normal, -size * gradient, maxiter=cg_steps, tol=1e-3)
        return x + size * move, None

    xyz, _ = jax.lax.scan(step, xyz, schedule)
    return xyz


def _weighted(residuals, weights):
    return {
        name: jax.lax.stop_gradient(weights[name])[..., None] * residual
        for name, residual in residuals.items()
    }
