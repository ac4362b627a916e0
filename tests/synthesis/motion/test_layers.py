import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.synthesis.motion import actions, clip_sampling, layers, posture

TIME = jnp.linspace(0.0, 2.0, 61)
PARAMS = actions.MotionParams()


def action_params(name, **changes):
    index = jnp.asarray(actions.row_index(actions.ACTIONS, name))
    middle = jnp.full(len(clip_sampling.ActionParameters._fields), 0.5)
    chosen = clip_sampling.choose_action_parameters(middle, index, PARAMS)
    return chosen._replace(**{k: jnp.asarray(v) for k, v in changes.items()})


def timing(**changes):
    chosen = clip_sampling.choose_timing(
        jnp.full(13, 0.5), action_params("stand"), PARAMS
    )
    return chosen._replace(**{k: jnp.asarray(v) for k, v in changes.items()})


def still_pose(frames=61):
    return posture.Pose(
        arms=jnp.zeros((frames, 2, 12)).at[..., 8].set(1.0),
        trunk=jnp.zeros((frames, 12)),
        legs=jnp.zeros((frames, 15)).at[:, 0].set(1.0),
        lift=jnp.zeros((frames, 2)),
        step=jnp.zeros((frames, 2, 2)),
        heel=jnp.zeros((frames, 2)),
        gait=jnp.zeros(frames),
        air=jnp.zeros(frames),
        root=jnp.zeros((frames, 3)),
        yaw=jnp.zeros(frames),
    )


def test_straight_path_is_speed_times_time():
    place = layers.root_path(
        jnp.asarray([-1.0, 0.0, 2.0]),
        action_params("walk", speed=1.5, turn=0.0),
        timing(yaw=jnp.pi / 2, heading=0.0, place=jnp.asarray([0.1, 0.0, 0.2])),
    )
    expected = [[-1.4, 0, 0.2], [0.1, 0, 0.2], [3.1, 0, 0.2]]
    np.testing.assert_allclose(place, expected, atol=1e-5)


def test_a_full_turn_returns_to_the_start():
    elapsed = jnp.asarray([0.0, jnp.pi, 2.0 * jnp.pi])
    place = layers.root_path(
        elapsed,
        action_params("walk", speed=1.0, turn=1.0),
        timing(yaw=0.0, heading=0.0, place=jnp.zeros(3)),
    )
    # A circle of radius 1 m to the right of somebody who faces +z.
    np.testing.assert_allclose(place[1:], [[2, 0, 0], [0, 0, 0]], atol=1e-5)


def test_a_standing_foot_stays_in_place_while_the_body_moves():
    walk = action_params("walk", speed=1.2, turn=0.0)
    clock = timing(heading=0.0, yaw=0.0)
    pose = layers.add_gait(still_pose(), TIME, walk, clock)
    foot = pose.step[..., 1] + layers.root_path(TIME, walk, clock)[:, 2:]
    standing = (pose.lift[1:] < 1e-6) & (pose.lift[:-1] < 1e-6)
    assert standing.sum() > 40
    np.testing.assert_allclose(jnp.diff(foot, axis=0)[standing], 0.0, atol=1e-5)


@pytest.mark.parametrize(("name", "flies"), [("walk", False), ("run", True)])
def test_both_feet_leave_the_floor_in_running_only(name, flies):
    pose = layers.add_gait(still_pose(), TIME, action_params(name), timing())
    assert bool(jnp.any(jnp.min(pose.lift, axis=-1) > 0.01)) == flies


def test_actions_without_a_gait_have_no_steps():
    pose = layers.add_gait(still_pose(), TIME, action_params("stand"), timing())
    for before, after in zip(still_pose(), pose, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_jumps_have_the_given_height():
    clock = timing(tuck=0.0)
    pose = layers.add_jump(still_pose(), TIME, action_params("jump", jump=0.3), clock)
    np.testing.assert_allclose(pose.air.max(), 0.3, atol=0.005)
    assert pose.air.min() < 1e-6
    # Crouching and flying exclude each other.
    assert jnp.all((pose.legs[:, 0] > 0.999) | (pose.air < 1e-4))


def test_a_jump_of_height_zero_changes_nothing():
    pose = layers.add_jump(still_pose(), TIME, action_params("stand"), timing())
    for before, after in zip(still_pose(), pose, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-4)


def test_one_foot_always_stands_between_key_poses():
    legs = jnp.zeros((2, 15)).at[0, 5].set(0.4).at[1, 11].set(0.3).at[1, 4].set(0.5)
    pose = still_pose(3)
    weights = jnp.asarray([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    pose = pose._replace(legs=weights @ legs)
    bump = jnp.asarray([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    lift = layers.add_lifts(pose, legs, bump).lift
    # Halfway rows give 0.2 and 0.15, and the foot that moves 0.5 rises by 0.15 more.
    np.testing.assert_allclose(lift, [[0.4, 0], [0.2, 0], [0, 0.3]], atol=1e-6)


def test_opposed_arms_oscillate_in_opposite_phase():
    pose = still_pose()
    pose = pose._replace(arms=pose.arms.at[..., 6].set(0.3))
    moved = layers.add_rhythm(
        jnp.zeros(4), pose, TIME, action_params("box", opposed=1.0, rhythm=1.0), PARAMS
    )
    # The fundamental cancels; the overtone, a fifth of it, is common to both.
    both = moved.arms[:, 0, 2] + moved.arms[:, 1, 2]
    assert jnp.abs(both).max() < 2.01 * 0.2 * 0.3
    assert jnp.abs(moved.arms[..., 2]).max() > 0.29


def test_sway_is_small_and_scales():
    u = jnp.linspace(0.0, 1.0, 80).reshape(2, 2, 20)
    still = actions.MotionParams(sway=0.0)
    pose = layers.add_sway(u, still_pose(), TIME, still)
    np.testing.assert_allclose(pose.trunk, 0.0)
    moved = layers.add_sway(u, still_pose(), TIME, PARAMS)
    assert 0.0 < jnp.abs(moved.trunk[:, :6]).max() < 0.1
