import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.physics import finite_differences

IRREGULAR = jnp.array([0.0, 0.03, 0.1, 0.11, 0.3, 0.35])


def parabola(time, start, velocity, acceleration):
    moved = start + velocity * time[:, None] + 0.5 * acceleration * time[:, None] ** 2
    return moved[:, None, :]


START = jnp.array([[0.1, -0.4, 2.0]])
VELOCITY = jnp.array([[1.0, 0.5, -2.0]])
ACCELERATION = jnp.array([[3.0, -9.81, 0.5]])


@pytest.mark.parametrize("time", [IRREGULAR, jnp.arange(6) / 30.0])
def test_acceleration_of_a_parabola_is_exact_for_any_spacing(time):
    xyz = parabola(time, START, VELOCITY, ACCELERATION)
    result = finite_differences.acceleration(xyz, time)
    expected = np.broadcast_to(ACCELERATION, (4, 1, 3))
    # Float32 positions of 2 m over steps of 10 ms: 1e-7 * 2 / (0.01 * 0.1).
    np.testing.assert_allclose(result, expected, atol=5e-3)


def test_velocity_of_uniform_motion_is_exact_for_any_spacing():
    xyz = parabola(IRREGULAR, START, VELOCITY, 0.0 * ACCELERATION)
    result = finite_differences.velocity(xyz, IRREGULAR)
    # Float32 positions of 2 m over a step of 10 ms.
    np.testing.assert_allclose(
        result, np.broadcast_to(VELOCITY, (5, 1, 3)), rtol=1e-4, atol=5e-5
    )


def test_uniform_motion_does_not_deviate():
    xyz = parabola(IRREGULAR, START, VELOCITY, 0.0 * ACCELERATION)
    np.testing.assert_allclose(
        finite_differences.line_deviation(xyz, IRREGULAR), 0.0, atol=1e-6
    )


def test_deviation_of_a_bump_points_back_to_the_line():
    xyz = jnp.zeros((3, 1, 3)).at[1, 0, 0].set(0.2)
    result = finite_differences.line_deviation(xyz, jnp.array([0.0, 0.1, 0.4]))
    np.testing.assert_allclose(result[0, 0], [-0.2, 0.0, 0.0], atol=1e-7)


def test_deviation_equals_acceleration_times_reach():
    xyz = jax.random.normal(jax.random.key(0), (6, 3, 3))
    acceleration = finite_differences.acceleration(xyz, IRREGULAR)
    reach = finite_differences.half_step_product(IRREGULAR)
    np.testing.assert_allclose(
        finite_differences.line_deviation(xyz, IRREGULAR),
        acceleration * reach[:, None, None],
        rtol=1e-4,  # two roundings of numbers around 1000
        atol=1e-6,
    )


def test_frames_are_connected_only_forward_and_within_the_gap():
    time = jnp.array([0.0, 0.1, 0.1, 0.05, 0.4, 1.0])
    np.testing.assert_array_equal(
        finite_differences.consecutive(time, max_gap=0.5),
        [True, False, False, True, False],
    )


def test_repeated_time_stamps_stay_finite():
    time = jnp.zeros(4)
    xyz = jax.random.normal(jax.random.key(1), (4, 2, 3))
    for function in (finite_differences.velocity, finite_differences.acceleration):
        grad = jax.jit(jax.grad(lambda x, f=function: jnp.sum(f(x, time) ** 2)))(xyz)
        chex.assert_tree_all_finite(grad)


def test_batches_are_independent():
    xyz = jax.random.normal(jax.random.key(2), (3, 6, 2, 3))
    time = jnp.stack([IRREGULAR, 2.0 * IRREGULAR, IRREGULAR + 5.0])
    for function in (finite_differences.velocity, finite_differences.acceleration):
        mapped = jax.jit(jax.vmap(function))(xyz, time)
        chex.assert_trees_all_close(function(xyz, time), mapped, rtol=1e-5, atol=1e-4)
