import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.synthesis.motion import curves

BEATS = jnp.linspace(-3.0, 9.0, 1201)
HOLD, FLOW = jnp.asarray(0.3), jnp.asarray(0.0)


@pytest.mark.parametrize("flow", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("hold", [0.0, 0.5])
def test_ring_weights_are_a_smooth_partition_of_unity(flow, hold):
    weights, _ = curves.ring_weights(
        BEATS, 4, hold=jnp.asarray(hold), flow=jnp.asarray(flow)
    )
    np.testing.assert_allclose(weights.sum(-1), 1.0, atol=1e-5)
    assert weights.min() >= -1e-6
    # A minimum-jerk move peaks at 1.875 of its mean speed.
    assert jnp.abs(jnp.diff(weights, axis=0)).max() < 0.01 * 1.9 / (1.0 - hold)


def test_a_held_pose_is_reached_exactly():
    weights, bump = curves.ring_weights(
        jnp.asarray([2.0, 2.85]), 4, hold=HOLD, flow=FLOW
    )
    np.testing.assert_allclose(weights[0], [0, 0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(weights[1], [0, 0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(bump, 0.0, atol=1e-6)


def test_halfway_is_half_of_both():
    weights, bump = curves.ring_weights(jnp.asarray([0.35]), 4, hold=HOLD, flow=FLOW)
    np.testing.assert_allclose(weights[0], [0.5, 0.5, 0, 0], atol=1e-5)
    np.testing.assert_allclose(bump[0], [1, 0, 0, 0], atol=1e-5)


def test_spline_weights_at_a_key_pose_are_one_sixth_two_thirds_one_sixth():
    weights, _ = curves.ring_weights(
        jnp.asarray([1.0]), 4, hold=HOLD, flow=jnp.asarray(1.0)
    )
    np.testing.assert_allclose(weights[0], [1 / 6, 2 / 3, 1 / 6, 0], atol=1e-6)


def test_ring_weights_repeat():
    one, _ = curves.ring_weights(BEATS, 4, hold=HOLD, flow=jnp.asarray(0.5))
    two, _ = curves.ring_weights(BEATS + 4.0, 4, hold=HOLD, flow=jnp.asarray(0.5))
    np.testing.assert_allclose(one, two, atol=1e-4)  # rounding of the sum


def test_standing_foot_moves_back_at_constant_speed_on_the_floor():
    phase = jnp.linspace(0.0, 0.6, 7)
    place, lift = curves.foot_cycle(phase, duty=jnp.asarray(0.6))
    np.testing.assert_allclose(place, jnp.linspace(1.0, -1.0, 7), atol=1e-5)
    np.testing.assert_allclose(lift, 0.0, atol=1e-6)


@pytest.mark.parametrize("duty", [0.3, 0.62])
def test_position_and_speed_of_a_foot_are_continuous(duty):
    phase = jnp.linspace(0.0, 2.0, 4001)
    place, lift = curves.foot_cycle(phase, duty=jnp.asarray(duty))
    speed = jnp.diff(place) * 2000.0
    assert jnp.abs(jnp.diff(place)).max() < 0.01
    # A jump would be 2 / duty + 2 / (1 - duty), above 5.
    assert jnp.abs(jnp.diff(speed)).max() < 0.2
    assert jnp.abs(jnp.diff(lift)).max() < 0.01
    np.testing.assert_allclose(lift.max(), 1.0, atol=1e-3)


def test_pulse_is_one_at_its_centre_and_small_half_a_cycle_away():
    values = curves.pulse(jnp.asarray([0.25, 1.25, 0.75]), center=jnp.asarray(0.25))
    np.testing.assert_allclose(values[:2], 1.0, atol=1e-5)
    assert values[2] < 1e-4


def test_jumper_flies_then_crouches():
    height, crouch = curves.jump_cycle(
        jnp.asarray([0.0, 0.2, 0.4, 0.7, 1.2]), flight=jnp.asarray(0.4)
    )
    np.testing.assert_allclose(height, [0, 1, 0, 0, 1], atol=1e-5)
    np.testing.assert_allclose(crouch, [0, 0, 0, 1, 0], atol=1e-5)


def test_sway_has_unit_variance():
    u = jax.random.uniform(jax.random.key(0), (2, 2, 50))
    waves = curves.sway(jnp.linspace(0.0, 200.0, 4000), 0.1 + u[0], u[1])
    np.testing.assert_allclose(waves.std(0), 1.0, atol=0.06)  # finite time
