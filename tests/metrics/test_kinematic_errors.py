import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import metrics
from unipose_jax.skeleton import definitions

ITOP = definitions.ITOP15
TIME = jnp.array([0.0, 0.03, 0.1, 0.14, 0.2, 0.9, 0.9, 1.0, 1.05])


def poses():
    keys = jax.random.split(jax.random.key(0), 3)
    target = jax.random.normal(keys[0], (2, 9, 15, 3))
    xyz = target + 0.1 * jax.random.normal(keys[1], target.shape)
    return xyz, target, jax.random.bernoulli(keys[2], 0.85, (2, 9, 15))


def second_difference(x, time):
    before, after = time[1] - time[0], time[2] - time[1]
    rise = (x[2] - x[1]) / after - (x[1] - x[0]) / before
    return 2.0 * rise / (before + after)


def test_accel_error_matches_slow_numpy():
    xyz, target, valid = (np.array(x) for x in poses())
    time = np.array(TIME, np.float64)
    lists = [[] for _ in range(15)]
    for clip, middle, joint in np.ndindex(2, 7, 15):
        frames = slice(middle, middle + 3)
        steps = np.diff(time[frames])
        if (
            valid[clip, frames, joint].all()
            and (steps > 0).all()
            and (steps < 0.5).all()
        ):
            pose = [x[clip, frames, joint].astype(np.float64) for x in (xyz, target)]
            a, b = (second_difference(x, time[frames]) for x in pose)
            lists[joint].append(np.linalg.norm(a - b))
    times = jnp.stack([TIME, TIME])
    poses_ = [jnp.asarray(x) for x in (xyz, target)]
    result = metrics.accel_error(*poses_, times, valid=jnp.asarray(valid))
    np.testing.assert_allclose(result.mean(), np.mean(sum(lists, [])), rtol=1e-4)
    np.testing.assert_array_equal(result.weight, sum(map(len, lists)))
    single = metrics.accel_error(
        *poses_, times, valid=jnp.asarray(valid), per_joint=True
    )
    # Float32 second differences over steps of 30 ms.
    np.testing.assert_allclose(single.mean(), list(map(np.mean, lists)), rtol=1e-4)


def test_a_constant_offset_and_drift_are_no_acceleration():
    _, target, _ = poses()
    drift = jnp.broadcast_to(0.5 * TIME.reshape(1, 9, 1, 1), target.shape)
    valid = jnp.ones(target.shape[:-1], dtype=bool)
    times = jnp.stack([TIME, TIME])
    value = metrics.accel_error(target + 0.3 + drift, target, times, valid=valid)
    # Positions of 1 m in float32, 1e-7, over 30 ms squared.
    np.testing.assert_allclose(value.mean(), 0.0, atol=2e-3)


def test_accel_error_matches_hand_computed_jitter():
    # One frame of three is 1 cm off at 10 Hz: 2 * 0.01 / 0.1^2.
    target = jnp.zeros((3, 1, 3))
    xyz = target.at[1, 0, 0].set(0.01)
    value = metrics.accel_error(
        xyz, target, jnp.array([0.0, 0.1, 0.2]), valid=jnp.ones((3, 1), dtype=bool)
    )
    np.testing.assert_allclose(value.mean(), 2.0, rtol=1e-5)


def test_bone_length_error_matches_slow_numpy():
    xyz, target, valid = (np.array(x) for x in poses())
    lists = [[] for _ in ITOP.bones]
    for clip, frame, bone in np.ndindex(2, 9, 14):
        child, parent = ITOP.bones[bone]
        if valid[clip, frame, child] and valid[clip, frame, parent]:
            lengths = [
                np.linalg.norm(x[clip, frame, child] - x[clip, frame, parent])
                for x in (xyz, target)
            ]
            lists[bone].append(abs(lengths[0] - lengths[1]))
    xyz, target, valid = poses()
    result = metrics.bone_length_error(xyz, target, skeleton=ITOP, valid=valid)
    np.testing.assert_allclose(result.mean(), np.mean(sum(lists, [])), rtol=1e-4)
    single = metrics.bone_length_error(
        xyz, target, skeleton=ITOP, valid=valid, per_bone=True
    )
    np.testing.assert_allclose(single.mean(), list(map(np.mean, lists)), rtol=1e-4)
    np.testing.assert_array_equal(single.weight, list(map(len, lists)))


def test_bone_lengths_do_not_see_where_a_person_is():
    _, target, valid = poses()
    turned = target[..., jnp.array([1, 2, 0])] + 3.0
    value = metrics.bone_length_error(turned, target, skeleton=ITOP, valid=valid)
    np.testing.assert_allclose(value.mean(), 0.0, atol=1e-6)


@pytest.mark.parametrize("metric", ["accel", "bones"])
def test_joints_that_are_not_valid_change_nothing_even_if_nan(metric):
    xyz, target, valid = poses()

    @jax.jit
    def measure(xyz, target):
        if metric == "bones":
            return metrics.bone_length_error(xyz, target, skeleton=ITOP, valid=valid)
        return metrics.accel_error(xyz, target, jnp.stack([TIME, TIME]), valid=valid)

    dirty = [jnp.where(valid[..., None], x, jnp.nan) for x in (xyz, target)]
    chex.assert_trees_all_close(measure(*dirty), measure(xyz, target), rtol=1e-5)
    grad = jax.grad(lambda x: measure(x, dirty[1]).mean())(dirty[0])
    chex.assert_tree_all_finite(grad)


def test_fewer_than_three_frames_have_no_acceleration():
    valid = jnp.ones((2, 4), dtype=bool)
    result = metrics.accel_error(
        jnp.ones((2, 4, 3)), jnp.zeros((2, 4, 3)), jnp.array([0.0, 0.1]), valid=valid
    )
    np.testing.assert_array_equal(result.weight, 0.0)


@pytest.mark.parametrize("metric", ["accel", "bones"])
def test_vmap_equals_batched_equals_jit(metric):
    def measure(xyz, target, valid, time):
        if metric == "bones":
            return metrics.bone_length_error(xyz, target, skeleton=ITOP, valid=valid)
        return metrics.accel_error(xyz, target, time, valid=valid)

    arguments = (*poses(), jnp.stack([TIME, 2.0 * TIME]))
    batched = jax.jit(measure)(*arguments)
    mapped = jax.jit(jax.vmap(measure))(*arguments)
    chex.assert_trees_all_close(jax.tree.map(jnp.sum, mapped), batched, rtol=1e-5)
