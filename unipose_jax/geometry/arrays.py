"""Functions that take NumPy and JAX arrays alike."""

import types
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

AnyArray = TypeVar("AnyArray", jax.Array, np.ndarray)


def namespace(*arrays: jax.Array | np.ndarray | None) -> types.ModuleType:
    """`jax.numpy` if any is a JAX array, tracers included; `numpy` otherwise."""
    return jnp if any(isinstance(array, jax.Array) for array in arrays) else np


def einsum(subscripts: str, *arrays: jax.Array | np.ndarray) -> jax.Array | np.ndarray:
    """`einsum` at the highest precision: no bfloat16 passes on a TPU."""
    if namespace(*arrays) is np:
        return np.einsum(subscripts, *arrays)
    return jnp.einsum(subscripts, *arrays, precision="highest")
