import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.synthesis.motion import actions, clip_sampling

PARAMS = actions.MotionParams()


def index(name):
    return actions.row_index(actions.ACTIONS, name)


def key_poses(params, action, count=300):
    def one(key):
        draws = clip_sampling.draw(key, params.num_key_poses)
        action_params = clip_sampling.choose_action_parameters(
            draws.action_params, jnp.asarray(index(action)), params
        )
        return clip_sampling.choose_key_poses(
            draws, jnp.asarray(index(action)), action_params, params
        )

    return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), count))


@pytest.mark.parametrize(
    "weights", [(("stand", 0.0),), (("stand", -1.0), ("walk", 2.0)), ()]
)
def test_weights_without_a_possible_action_are_refused(weights):
    params = actions.MotionParams(action_weights=weights)
    with pytest.raises(ValueError, match="action_weights"):
        clip_sampling.choose_action(jnp.asarray(0.5), params)


def test_unknown_action_is_named():
    params = actions.MotionParams(action_weights=(("flying", 1.0),))
    with pytest.raises(ValueError, match="flying"):
        clip_sampling.choose_action(jnp.asarray(0.5), params)


def test_action_frequencies_are_proportional_to_their_weights():
    params = actions.MotionParams(action_weights=(("walk", 3.0), ("sit", 1.0)))
    u = (jnp.arange(1000) + 0.5) / 1000
    chosen = jax.vmap(lambda u: clip_sampling.choose_action(u, params))(u)
    assert np.sum(chosen == index("walk")) == 750
    assert np.sum(chosen == index("sit")) == 250


def test_every_action_but_those_on_the_floor_has_a_weight_by_default():
    weighted = {name for name, _ in PARAMS.action_weights}
    assert weighted == set(actions.ACTIONS) - set(actions.FLOOR_ACTIONS)


def test_draws_are_uniform_and_normal():
    many = jax.vmap(lambda key: clip_sampling.draw(key, 4))
    draws = many(jax.random.split(jax.random.key(1), 500))
    assert abs(np.mean(draws.row) - 0.5) < 0.01
    assert abs(np.std(draws.arms) - 1.0) < 0.01
    assert abs(np.mean(draws.legs)) < 0.02
    assert np.corrcoef(draws.action, draws.sides[:, 0])[0, 1] < 0.15


@pytest.mark.parametrize("u", [0.0, 0.5, 0.999])
def test_parameters_stay_in_the_ranges_of_their_action(u):
    fields = len(clip_sampling.ActionParameters._fields)
    action_params = clip_sampling.choose_action_parameters(
        jnp.full(fields, u), jnp.asarray(index("run")), PARAMS
    )
    low, high = actions.ACTIONS["run"].speed
    assert low - 1e-5 <= action_params.speed <= high + 1e-5
    assert action_params.gait == 1.0
    assert action_params.mix == PARAMS.mix


def test_moves_take_at_least_the_shortest_time():
    for u in np.linspace(0.0, 0.99, 5):
        draws = jnp.full(13, u)
        action_params = clip_sampling.choose_action_parameters(
            jnp.full(len(clip_sampling.ActionParameters._fields), 0.5),
            jnp.asarray(index("stand")),
            PARAMS,
        )
        timing = clip_sampling.choose_timing(draws, action_params, PARAMS)
        assert timing.interval * (1.0 - timing.hold) >= PARAMS.min_move - 1e-5


def test_without_spread_and_mixing_key_poses_are_the_table_rows():
    params = actions.MotionParams(mix=0.0, rest=0.0, spread=0.0)
    _, trunk, legs = key_poses(params, "bow", count=8)
    np.testing.assert_allclose(trunk[..., 0], actions.TRUNKS["bow"][0][0], atol=1e-6)
    expected = np.broadcast_to(np.float32(actions.LEGS["stand"][0]), legs.shape)
    np.testing.assert_allclose(legs, expected, atol=1e-6)


def test_either_side_leads_equally_often():
    params = actions.MotionParams(mix=0.0, rest=0.0)
    _, trunk, legs = key_poses(params, "kick")
    lifted = np.asarray(legs[:, 0, 5] > legs[:, 0, 11])
    assert abs(lifted.mean() - 0.5) < 0.1
    assert abs(np.mean(trunk[..., 4])) < 0.02


def test_rest_key_poses_are_the_relaxed_standing_pose():
    params = actions.MotionParams(rest=1.0, mix=0.0, spread=0.0)
    _, _, legs = key_poses(params, "squat", count=4)
    np.testing.assert_allclose(legs[..., 0], actions.LEGS["stand"][0][0], atol=1e-6)


def test_walking_keeps_its_leg_rows():
    params = actions.MotionParams(mix=1.0, spread=0.0)
    _, _, legs = key_poses(params, "walk", count=50)
    np.testing.assert_allclose(legs[..., 0], actions.LEGS["stand"][0][0], atol=1e-6)
