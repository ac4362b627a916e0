"""Programs that are compiled quickly give the same as other programs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import compiling


@functools.partial(compiling.quick_jit, static_argnames="power")
def norm(x, *, power):
    return jnp.sum(jnp.abs(x) ** power, axis=-1) ** (1.0 / power)


ROWS = jnp.asarray([[3.0, 4.0], [6.0, 8.0]])


@pytest.mark.parametrize("around", [lambda f: f, jax.jit, jax.vmap])
def test_quick_programs_run_alone_and_within_others(around):
    found = around(functools.partial(norm, power=2))(ROWS)
    np.testing.assert_allclose(found, [5.0, 10.0], rtol=1e-6)


def test_quick_programs_are_differentiable():
    slope = jax.grad(lambda x: norm(x, power=2))(ROWS[0])
    np.testing.assert_allclose(slope, [0.6, 0.8], rtol=1e-6)


def test_options_hold_for_whole_programs_only(monkeypatch):
    monkeypatch.setattr(compiling, "QUICK_OPTIONS", {"xla_no_such_option": 0})
    double = compiling.quick_jit(lambda x: 2.0 * x)
    with pytest.raises(Exception, match="xla_no_such_option"):
        double(ROWS)
    np.testing.assert_array_equal(jax.jit(double)(ROWS), 2.0 * ROWS)
