"""Robust nonlinear least squares over a whole sequence."""

from collections.abc import Callable, Mapping

import jax
from jax.scipy.sparse import linalg
from jaxtyping import Array, Float

Residuals = Mapping[str, Array]
"""Whitened residuals by term: (..., d), vectors of d components."""
Weights = Mapping[str, Array]
"""A weight, not negative, for each of these vectors: (...)."""


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

    With residuals r, their weights w and Jacobian J at x, a step solves
    (J^T W J + damping / scale^2) v = -J^T W r for x + v. J is never formed.

    Args:
        residuals: `residuals(x, settings)` gives residuals and weights; weights are
            not differentiated.
        xyz: where to start.
        schedule: the settings of each step.
        scale: `scale(settings)`, about how far each unknown is determined; conditions
            the equations.
        cg_steps: at most, in each step.
        damping: keeps unknowns of which nothing is known where they are.
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
