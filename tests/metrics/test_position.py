import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import metrics

SHAPE = (3, 4, 6)
ROOT = (0, 1)
METRICS = {
    "mpjpe": metrics.mpjpe,
    "root_mpjpe": functools.partial(metrics.root_mpjpe, root=ROOT),
    "pa_mpjpe": metrics.pa_mpjpe,
    "pck": functools.partial(metrics.pck, threshold=0.15),
    "auc": metrics.auc,
}
COMPILED = {
    name: jax.jit(metric, static_argnames="per_joint")
    for name, metric in METRICS.items()
}
every_metric = pytest.mark.parametrize("name", METRICS)


def poses():
    """True poses, predictions about 10 cm off, and which joints count."""
    keys = jax.random.split(jax.random.key(0), 3)
    target = jax.random.normal(keys[0], (*SHAPE, 3))
    xyz = target + 0.08 * jax.random.normal(keys[1], (*SHAPE, 3))
    valid = jax.random.bernoulli(keys[2], 0.7, SHAPE)
    # A frame with nobody, one with two joints, one without its root.
    valid = valid.at[0, 0].set(False).at[0, 1].set(jnp.arange(6) > 3)
    return xyz, target, valid.at[0, 2].set(jnp.arange(6) > 0)


def aligned(source, target):
    """Umeyama 1991, eqs. 38-43, in float64."""
    source, target = source.astype(np.float64), target.astype(np.float64)
    x, y = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(y.T @ x / len(x))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    scale = (s * sign).sum() / (x**2).sum(1).mean()
    return scale * x @ (u @ np.diag(sign) @ vt).T + target.mean(0)


def frame_errors(name, xyz, target, valid):
    """What each valid joint of one frame contributes; None where the frame is out."""
    if name == "root_mpjpe":
        if not valid[list(ROOT)].all():
            return None
        xyz = xyz + (target[list(ROOT)].mean(0) - xyz[list(ROOT)].mean(0))
    if name == "pa_mpjpe":
        if valid.sum() < 3:
            return None
        xyz = xyz.copy()
        xyz[valid] = aligned(xyz[valid], target[valid])
    errors = np.array(
        [np.sqrt(((p - t) ** 2).sum()) for p, t in zip(xyz, target, strict=True)]
    )
    if name == "pck":
        return errors < 0.15
    if name == "auc":
        return np.mean([errors < 0.005 * step for step in range(31)], axis=0)
    return errors


def reference(name, xyz, target, valid):
    """Values of every joint, listed one by one."""
    lists = [[] for _ in range(SHAPE[-1])]
    for index in np.ndindex(SHAPE[:-1]):
        seen = np.array(valid[index])
        errors = frame_errors(name, np.array(xyz[index]), np.array(target[index]), seen)
        for joint in np.flatnonzero(seen) if errors is not None else []:
            lists[joint].append(errors[joint])
    return lists


@every_metric
def test_matches_slow_numpy(name):
    lists = reference(name, *poses())
    xyz, target, valid = poses()
    result = COMPILED[name](xyz, target, valid=valid)
    np.testing.assert_allclose(result.mean(), np.mean(sum(lists, [])), rtol=1e-5)
    np.testing.assert_array_equal(result.weight, sum(map(len, lists)))
    single = COMPILED[name](xyz, target, valid=valid, per_joint=True)
    np.testing.assert_allclose(single.mean(), list(map(np.mean, lists)), rtol=1e-5)
    np.testing.assert_array_equal(single.weight, list(map(len, lists)))


def test_map_matches_slow_numpy():
    xyz, target, valid = poses()
    errors = np.linalg.norm(np.array(xyz - target), axis=-1)
    shares = [
        np.mean(errors[..., joint][np.array(valid[..., joint])] < 0.10)
        for joint in range(6)
    ]
    result = metrics.map_10cm(xyz, target, valid=valid)
    np.testing.assert_allclose(result.mean(), np.mean(shares), rtol=1e-5)


def test_map_weighs_joints_alike_and_leaves_out_those_that_are_never_valid():
    # Joint 0: 1 of 4 within 10 cm; joint 1: 1 of 1; joint 2 is never seen.
    xyz = jnp.zeros((4, 3, 3)).at[1:, 0, 0].set(0.2)
    valid = jnp.zeros((4, 3), dtype=bool).at[:, 0].set(True).at[0, 1].set(True)
    result = metrics.map_10cm(xyz, jnp.zeros((4, 3, 3)), valid=valid)
    np.testing.assert_allclose(result.mean(), (0.25 + 1.0) / 2)


@every_metric
def test_hand_computed_shift_of_48_millimetres(name):
    target = poses()[1]
    xyz = target + jnp.array([0.0288, 0.0, 0.0384]).reshape(1, 1, 1, 3)
    value = COMPILED[name](xyz, target, valid=jnp.ones(SHAPE, dtype=bool)).mean()
    # Thresholds of 50, 55, ..., 150 mm lie above: 21 of 31.
    expected = {"mpjpe": 0.048, "pck": 1.0, "auc": 21 / 31}.get(name, 0.0)
    np.testing.assert_allclose(value, expected, atol=2e-6)


def test_pck_counts_strictly_nearer_joints():
    xyz = jnp.array([[0.09, 0.0, 0.0], [0.11, 0.0, 0.0], [0.0, 0.125, 0.0]])
    valid = jnp.ones(3, dtype=bool)
    value = metrics.pck(xyz, jnp.zeros((3, 3)), valid=valid, threshold=0.125).mean()
    np.testing.assert_allclose(value, 2 / 3)


def test_procrustes_removes_rotation_scale_and_shift_but_no_mirroring():
    xyz, target, _ = poses()
    valid = jnp.ones(SHAPE, dtype=bool)
    turn = jnp.array([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0], [-0.8, 0.0, 0.6]])
    moved = 1.7 * jnp.matmul(xyz, turn.T, precision="highest") + 2.0
    value = COMPILED["pa_mpjpe"](xyz, target, valid=valid).mean()
    np.testing.assert_allclose(
        COMPILED["pa_mpjpe"](moved, target, valid=valid).mean(), value, rtol=1e-3
    )
    mirrored = target * jnp.array([-1.0, 1.0, 1.0]).reshape(1, 1, 1, 3)
    assert COMPILED["pa_mpjpe"](mirrored, target, valid=valid).mean() > 0.2


@every_metric
def test_joints_that_are_not_valid_change_nothing_even_if_nan(name):
    xyz, target, valid = poses()
    dirty = [jnp.where(valid[..., None], x, jnp.nan) for x in (xyz, target)]
    clean = COMPILED[name](xyz, target, valid=valid, per_joint=True)
    result = COMPILED[name](*dirty, valid=valid, per_joint=True)
    chex.assert_trees_all_close(result, clean, rtol=1e-6)


@every_metric
def test_nobody_gives_zero_weight(name):
    xyz, target, _ = poses()
    result = COMPILED[name](xyz, target, valid=jnp.zeros(SHAPE, dtype=bool))
    np.testing.assert_array_equal(result.weight, 0.0)
    np.testing.assert_array_equal(result.mean(), 0.0)


@every_metric
def test_vmap_equals_batched_equals_jit(name):
    xyz, target, valid = poses()
    batched = METRICS[name](xyz, target, valid=valid)
    chex.assert_trees_all_close(
        COMPILED[name](xyz, target, valid=valid), batched, rtol=1e-5
    )
    mapped = jax.vmap(lambda x, t, v: COMPILED[name](x, t, valid=v))(xyz, target, valid)
    chex.assert_trees_all_close(jax.tree.map(jnp.sum, mapped), batched, rtol=1e-5)


@every_metric
def test_gradient_is_finite_even_for_perfect_predictions(name):
    _, target, valid = poses()
    if name == "pa_mpjpe":
        pytest.skip("the singular value decomposition has no gradient there")
    grad = jax.grad(lambda x: METRICS[name](x, target, valid=valid).mean())(target)
    chex.assert_tree_all_finite(grad)
