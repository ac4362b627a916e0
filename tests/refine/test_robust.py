import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.refine import robust


def test_median_uses_valid_values():
    values = jnp.array([[5.0, jnp.nan, 1.0, 3.0], [2.0, 9.0, 4.0, jnp.nan]])
    valid = jnp.array([[True, False, True, True], [True, True, True, False]])
    median = robust.masked_median(values, valid, axis=1)
    np.testing.assert_array_equal(median, [3.0, 4.0])


def test_median_without_valid_values_is_zero():
    values = jnp.full((3, 2), jnp.nan)
    nothing = jnp.zeros((3, 2), bool)
    np.testing.assert_array_equal(robust.masked_median(values, nothing, axis=0), 0.0)
    empty = jnp.zeros((0, 2))
    none = jnp.zeros((0, 2), bool)
    np.testing.assert_array_equal(robust.masked_median(empty, none, axis=0), 0.0)


def test_grouped_medians_equal_the_median_of_each_group():
    rng = np.random.default_rng(0)
    values = rng.normal(size=40).astype(np.float32)
    group, valid = rng.integers(0, 4, size=40), rng.random(40) < 0.8
    medians, counts = robust.grouped_median(
        jnp.asarray(values), jnp.asarray(valid), jnp.asarray(group)
    )
    for name in range(4):
        mine = np.sort(values[(group == name) & valid])
        assert counts[name] == len(mine)
        np.testing.assert_allclose(medians[name], mine[(len(mine) - 1) // 2])
    np.testing.assert_array_equal(counts[4:], 0)


@pytest.mark.parametrize("sq", [0.0, 1.0, 100.0])
def test_weight_is_the_derivative_of_the_log_likelihood(sq):
    # d/d(r^2) of (f + d) / 2 log(1 + r^2 / f) is weight / 2.
    f, d, h = 3.0, 2, 1e-4
    slope = 0.5 * (f + d) * (np.log1p((sq + h) / f) - np.log1p((sq - h) / f)) / (2 * h)
    weight = robust.student_t_weight(
        jnp.float32(sq), degrees_of_freedom=f, num_components=d
    )
    np.testing.assert_allclose(weight, 2.0 * slope, rtol=1e-4)


def test_temporal_neighbours_come_from_adjacent_frames():
    near = robust.temporal_neighbors(jnp.arange(1, 5), radius=1, fill=-1)
    np.testing.assert_array_equal(near, [[-1, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, -1]])


@pytest.mark.parametrize(("length", "rtol"), [(0.0, 0.03), (0.1, 0.05), (0.4, 0.02)])
def test_noise_of_short_vectors_is_found_from_their_lengths(length, rtol):
    noise = np.random.default_rng(0).normal(scale=0.04, size=(100_000, 3))
    noisy = np.linalg.norm(noise + [length, 0.0, 0.0], axis=-1)
    median = np.median(noisy)
    spread = 1.4826 * np.median(np.abs(noisy - median))
    found = robust.noise_of_length(jnp.float32(median), jnp.float32(spread))
    np.testing.assert_allclose(found, 0.04, rtol=rtol)
