"""Functions that take NumPy and JAX arrays alike."""

import types
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

AnyArray = TypeVar("AnyArray", jax.Array, np.ndarray)


def namespace(array: jax.Array | np.ndarray) -> types.ModuleType:
    """`jax.numpy` for JAX arrays, tracers included; `numpy` for others."""
    return jnp if isinstance(array, jax.Array) else np
