import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import losses, reduction
from unipose_jax.geometry import numerics
from unipose_jax.physics import finite_differences

TIME = jnp.array([0.0, 0.05, 0.15, 0.2])
LIMIT = jnp.array([4.0, 4.0])
STATIC = ("delta", "max_gap")


def weighted_term(loss, of_joints):
    """A loss as training uses it; `free` is how far each joint may move."""

    def term(
        xyz,
        time,
        limit,
        free=None,
        where=None,
        max_gap=finite_differences.MAX_GAP,
        delta=0.05,
    ):
        free = jnp.ones_like(xyz[..., 0]) if free is None else free
        options = {"where": where, "max_gap": max_gap}
        xyz = numerics.scale_gradient(xyz, free)
        penalty = loss(xyz, time, limit=limit, delta=delta, **options)
        return reduction.weighted_mean(penalty, of_joints(free, time, **options))

    return jax.jit(term, static_argnames=STATIC)


SPEED = weighted_term(losses.speed, losses.speed_weights)
ACCELERATION = weighted_term(losses.acceleration, losses.acceleration_weights)
TERMS = {
    "speed": functools.partial(SPEED, limit=LIMIT),
    "acceleration": functools.partial(ACCELERATION, limit=10.0 * LIMIT),
}
every_term = pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)


def random_motion(frames=4):
    return jax.random.normal(jax.random.key(0), (frames, 2, 3))


def uniform(speed):
    direction = jnp.array([0.6, 0.0, 0.8]).reshape(1, 1, 3)
    return jnp.broadcast_to(speed * TIME[:, None, None] * direction, (4, 2, 3))


@every_term
def test_uniform_motion_within_bounds_is_free_for_any_spacing(term):
    np.testing.assert_allclose(term(uniform(3.9), TIME).mean(), 0.0, atol=1e-8)


def test_uniform_motion_is_never_accelerated():
    value = TERMS["acceleration"](uniform(50.0), TIME).mean()
    np.testing.assert_allclose(value, 0.0, atol=1e-8)


def test_speed_matches_hand_computed_excess():
    # 5 m/s against 4: 5, 10 and 5 cm too far in steps of 50, 100 and 50 ms.
    excess = np.array([0.05, 0.10, 0.05])
    expected = np.mean(0.05 * (np.sqrt(1 + (excess / 0.05) ** 2) - 1))
    value = TERMS["speed"](uniform(5.0), TIME).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_acceleration_matches_hand_computed_excess():
    # One joint jumps 20 cm in the middle of three frames at 20 Hz; 40 m/s^2 explain 5.
    time = jnp.array([0.0, 0.05, 0.10])
    xyz = jnp.zeros((3, 2, 3)).at[1, 0, 1].set(0.2)
    expected = 0.05 * (np.sqrt(1 + (0.15 / 0.05) ** 2) - 1) / 2
    value = TERMS["acceleration"](xyz, time).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_a_parabola_at_the_bound_is_free_and_beyond_it_not():
    for factor, free in ((0.99, True), (1.1, False)):
        y = 0.5 * factor * 40.0 * TIME**2
        xyz = jnp.zeros((4, 2, 3)).at[:, :, 1].set(y[:, None])
        assert (TERMS["acceleration"](xyz, TIME).mean() < 1e-9) == free


@every_term
def test_limits_are_per_joint(term):
    xyz = random_motion()
    tight = term(xyz, TIME, limit=jnp.array([1e9, 0.0]))
    grad = jax.jit(
        jax.grad(lambda x: term(x, TIME, limit=jnp.array([1e9, 0.0])).mean())
    )(xyz)
    assert tight.mean() > 0
    np.testing.assert_array_equal(grad[:, 0], 0.0)


@every_term
def test_steps_across_gaps_and_repeated_stamps_do_not_count(term):
    time = jnp.array([0.0, 0.0, 0.1, 0.2, 5.0, 5.1])
    result = term(random_motion(6), time)
    steps = {"speed": 3, "acceleration": 1}
    name = next(name for name, other in TERMS.items() if other is term)
    np.testing.assert_array_equal(result.weight, 2 * steps[name])
    grad = jax.jit(jax.grad(lambda x: term(x, time).mean()))(random_motion(6))
    chex.assert_tree_all_finite(grad)
    np.testing.assert_array_equal(grad[0], 0.0)


@every_term
def test_the_longest_gap_is_the_caller_s_choice(term):
    time = jnp.array([0.0, 0.1, 0.2, 0.8])
    assert (
        term(random_motion(), time).weight
        < term(random_motion(), time, max_gap=1.0).weight
    )


@every_term
def test_invalid_joints_change_nothing_even_if_nan(term):
    where = jnp.ones((4, 2), dtype=bool).at[3, 1].set(False)
    dirty = jnp.where(where[..., None], random_motion(), jnp.nan)
    moved = jnp.where(where[..., None], random_motion(), 7.0)
    chex.assert_trees_all_close(
        term(dirty, TIME, where=where), term(moved, TIME, where=where)
    )
    grad = jax.jit(jax.grad(lambda x: term(x, TIME, where=where).mean()))(dirty)
    chex.assert_tree_all_finite(grad)
    np.testing.assert_array_equal(grad[3, 1], 0.0)
    expected = term(moved, TIME).weight - 1
    np.testing.assert_array_equal(term(dirty, TIME, where=where).weight, expected)


@every_term
def test_weights_choose_which_joints_move(term):
    weight = jnp.ones((4, 2)).at[1:3, 0].set(0.25).at[:, 1].set(0.0)
    grad = jax.jit(jax.grad(lambda x: term(x, TIME, free=weight).total))(
        random_motion()
    )
    assert jnp.all(jnp.any(grad[:, 0] != 0, axis=-1))
    np.testing.assert_array_equal(grad[:, 1], 0.0)


@every_term
def test_a_step_counts_as_much_as_its_freest_frame(term):
    # Joint 0 may move in frame 1, which takes part in two steps and in both triples.
    weight = jnp.zeros((4, 2)).at[1, 0].set(0.5)
    np.testing.assert_array_equal(term(random_motion(), TIME, free=weight).weight, 1.0)


@every_term
def test_standing_still_has_finite_gradient(term):
    grad = jax.jit(jax.grad(lambda x: term(x, TIME, limit=0.0 * LIMIT).mean()))(
        jnp.ones((4, 2, 3))
    )
    np.testing.assert_array_equal(grad, 0.0)


@every_term
def test_gradients_do_not_grow_with_the_frame_rate(term):
    def steepest(rate):
        time = jnp.arange(4) / rate
        return jnp.abs(
            jax.jit(jax.grad(lambda x: term(x, time).mean()))(random_motion())
        ).max()

    np.testing.assert_array_less(steepest(1000.0), 2.0 * steepest(30.0))


@every_term
def test_vmap_equals_batched_equals_jit(term):
    xyz = jnp.stack([random_motion(), 2.0 * random_motion(), uniform(6.0)])
    time = jnp.stack([TIME, 1.1 * TIME, TIME + 3.0])
    batched = term(xyz, time)
    mapped = jax.tree.map(jnp.sum, jax.jit(jax.vmap(term))(xyz, time))
    chex.assert_trees_all_close(mapped, batched, rtol=1e-5)


def test_each_step_has_its_own_penalty():
    xyz = jnp.zeros((4, 2, 3)).at[2, 1, 0].set(1.0)
    found = losses.speed(xyz, TIME, limit=LIMIT)
    np.testing.assert_array_equal(jnp.argwhere(found > 0), [[1, 1], [2, 1]])
    found = losses.acceleration(xyz, TIME, limit=LIMIT)
    np.testing.assert_array_equal(jnp.argwhere(found > 0), [[0, 1], [1, 1]])


@pytest.mark.parametrize("frame", range(4))
def test_each_masked_frame_masks_the_steps_it_takes_part_in(frame):
    where = jnp.ones((4, 2), bool).at[frame, 0].set(False)
    xyz = jnp.where(where[..., None], 10.0 * random_motion(), jnp.nan)
    for loss, of_joints, size in (
        (losses.speed, losses.speed_weights, 2),
        (losses.acceleration, losses.acceleration_weights, 3),
    ):
        first = np.arange(4 - size + 1)
        masked = (first <= frame) & (frame < first + size)
        found = loss(xyz, TIME, limit=LIMIT, where=where)
        np.testing.assert_array_equal(found[:, 0] == 0.0, masked)
        weights = of_joints(jnp.ones((4, 2)), TIME, where=where)
        np.testing.assert_array_equal(weights[:, 0] == 0.0, masked)
        assert (found[:, 1] > 0.0).all()
