"""Compilation of programs that take longer to compile than to run."""

import functools
import importlib.metadata
from collections.abc import Callable
from typing import Any

import jax

_VERSION = tuple(map(int, importlib.metadata.version("jaxlib").split(".")[:2]))
# Without optimisation, programs compile in half of the time, and with the older code
# for fusions, which jaxlib 0.11 no longer has, in a fifth.
QUICK_OPTIONS: dict[str, Any] = {"xla_backend_optimization_level": 0} | (
    {"xla_cpu_use_fusion_emitters": False} if _VERSION < (0, 11) else {}
)


def quick_jit(function: Callable, *, static_argnames: Any = ()) -> Callable:
    """`jax.jit` without optimisation; within `jit` or `vmap` as `jax.jit`.

    Args:
        function: pure function of arrays.
        static_argnames: as for `jax.jit`.
    """
    own = jax.jit(
        function, static_argnames=static_argnames, compiler_options=QUICK_OPTIONS
    )
    # JAX takes options for whole programs only.
    nested = jax.jit(function, static_argnames=static_argnames)

    @functools.wraps(function)
    def call(*args, **kwargs):
        leaves = jax.tree.leaves((args, kwargs))
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
        return (nested if traced else own)(*args, **kwargs)

    return call
