import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.synthesis.sensing import pose_errors

SKELETON = skeleton.ITOP15
MIRROR = np.array(SKELETON.mirror)
FPS = 15.0
NONE = pose_errors.PoseErrors(
    trunk_error=0.0,
    end_error=0.0,
    jitter=0.0,
    burst_share=0.0,
    swap_share=0.0,
    turn_share=0.0,
)


def add(errors, *, seed=0, frames=4000, time=None, xyz=None, skel=SKELETON):
    time = jnp.arange(frames) / FPS if time is None else jnp.asarray(time)
    if xyz is None:
        xyz = jnp.broadcast_to(standing(skel), (len(time), skel.num_joints, 3))
    run = jax.jit(
        functools.partial(pose_errors.add_errors, errors=errors, skeleton=skel)
    )
    found = run(jax.random.key(seed), xyz, time)
    error = np.asarray(found[0] - xyz)
    return error, np.asarray(found[1])


def standing(skel):
    """Joints half a metre apart, which is far more than most errors."""
    joint = np.arange(skel.num_joints, dtype=np.float32)
    return np.stack([0.5 * joint, -0.5 * joint, 0.0 * joint], axis=-1)


def correlation(error, lag):
    return np.mean(error[lag:] * error[:-lag]) / np.mean(error**2)


@pytest.fixture(scope="module")
def network():
    """Errors and lengths of errors of many frames."""
    error, _ = add(pose_errors.NETWORK, frames=20_000)
    return error, np.linalg.norm(error, axis=-1)


def test_no_errors_change_nothing():
    error, confidence = add(NONE, frames=50)
    np.testing.assert_array_equal(error, 0.0)
    np.testing.assert_array_equal(confidence, 1.0)


def test_network_has_the_size_of_errors_that_was_measured(network):
    _, length = network
    # 88.0 mAP@10cm and 58.5 mm on ITOP; exchanged sides are further apart here.
    assert abs(100.0 * np.mean(length <= 0.1) - 88.0) < 2.0
    assert abs(1000.0 * np.mean(np.minimum(length, 0.6)) - 58.5) < 6.0


def test_network_errors_per_joint_lie_in_the_measured_range(network):
    error, _ = network
    # Of most errors; the standard deviation would be that of the bursts.
    typical = 1.4826 * np.median(np.abs(error), axis=(0, 2))
    assert 0.012 < typical.min() < 0.022
    assert 0.036 < typical.max() < 0.052


@pytest.mark.parametrize(
    ("lag", "measured"), [(1, 0.79), (2, 0.64), (3, 0.52), (5, 0.38), (8, 0.32)]
)
def test_network_errors_last_as_measured(network, lag, measured):
    error, length = network
    limited = error * np.minimum(1.0, 0.3 / np.maximum(length, 1e-9))[..., None]
    assert abs(correlation(limited, lag) - measured) < 0.05


def test_large_errors_come_in_bursts(network):
    _, length = network
    large = np.pad(length > 0.1, ((1, 1), (0, 0)))
    beside = (large[2:] | large[:-2])[large[1:-1]]
    assert abs(np.mean(beside) - 0.84) < 0.04


@pytest.mark.parametrize("fps", [10.0, 60.0])
def test_memory_does_not_depend_on_the_frame_rate(fps):
    errors = dataclasses.replace(
        NONE, trunk_error=0.02, end_error=0.02, drift_share=0.0
    )
    error, _ = add(errors, time=np.arange(60 * 200) / fps)
    np.testing.assert_allclose(np.std(error), 0.02, rtol=0.1)
    lag = int(0.2 * fps)
    np.testing.assert_allclose(
        correlation(error, lag), np.exp(-0.2 / errors.memory), atol=0.06
    )


def test_uneven_times_give_the_correlation_of_their_steps():
    rng = np.random.default_rng(0)
    step = rng.choice([0.03, 0.3], size=8000)
    normal = jnp.asarray(rng.normal(size=(8001, 20)), jnp.float32)
    walk = pose_errors.wander(normal, jnp.asarray(step, jnp.float32), memory=0.2)
    for dt in (0.03, 0.3):
        pairs = np.mean((walk[1:] * walk[:-1])[step == dt])
        np.testing.assert_allclose(pairs, np.exp(-dt / 0.2), atol=0.02)


def test_nothing_is_remembered_across_a_cut():
    errors = dataclasses.replace(NONE, trunk_error=0.02, end_error=0.02, memory=1.0)
    error, _ = add(errors, time=np.arange(4000) % 2 / FPS)  # 0, 1, 0, 1, ...
    size = np.mean(error**2)
    inside = np.mean(error[0::2] * error[1::2]) / size
    across = np.mean(error[1:-1:2] * error[2::2]) / size
    assert inside > 0.85
    assert abs(across) < 0.03


def test_exchanged_sides_are_whole_limbs_in_bursts():
    errors = dataclasses.replace(NONE, swap_share=0.1, swap_time=0.4)
    error, _ = add(errors, frames=20_000)
    exchanged = np.linalg.norm(error, axis=-1) > 0.0
    arms = exchanged[:, [SKELETON.index(f"left_{n}") for n in ("elbow", "hand")]]
    legs = exchanged[:, [SKELETON.index(f"right_{n}") for n in ("hip", "foot")]]
    assert not exchanged[:, MIRROR == np.arange(15)].any()
    for limb in (arms, legs):
        np.testing.assert_array_equal(limb[:, 0], limb[:, 1])
        assert abs(limb[:, 0].mean() - 0.1) < 0.02
        ends = np.sum(np.diff(limb[:, 0].astype(int)) == -1)
        assert abs(limb[:, 0].sum() / ends / FPS - 0.4) < 0.08
    assert abs(np.mean(arms[:, 0] & legs[:, 0]) - 0.01) < 0.01


def test_everybody_turned_exchanges_all_sides_at_once():
    error, _ = add(dataclasses.replace(NONE, turn_share=0.1))
    exchanged = (np.linalg.norm(error, axis=-1) > 0.0)[:, MIRROR != np.arange(15)]
    assert 0.05 < exchanged.mean() < 0.15
    np.testing.assert_array_equal(exchanged.all(axis=1), exchanged.any(axis=1))


def test_lost_joints_have_no_confidence_and_the_right_share():
    error, confidence = add(dataclasses.replace(NONE, lost_share=0.1), frames=20_000)
    assert set(np.unique(confidence)) == {0.0, 1.0}
    hand = SKELETON.index("left_hand")
    assert abs(np.mean(confidence[:, hand] == 0.0) - 0.1) < 0.02
    np.testing.assert_array_equal(error, 0.0)


def test_frozen_joints_keep_their_position():
    time = jnp.arange(4000) / FPS
    xyz = jnp.broadcast_to(time[:, None, None], (4000, 15, 3))
    errors = dataclasses.replace(NONE, frozen_share=0.2, frozen_time=0.5)
    error, _ = add(errors, xyz=xyz)
    frozen = error[1:, 0, 0] < -1e-3
    moved = np.diff(error + np.asarray(xyz), axis=0)[:, 0, 0]
    np.testing.assert_allclose(moved[frozen], 0.0, atol=1e-6)
    # The first frame of an episode holds the position that is true then.
    assert 0.15 < frozen.mean() < 0.22


@pytest.mark.parametrize("name", ["BODY", "COCO17", "MSR20", "ZED34"])
def test_any_skeleton_has_limbs(name):
    skel = skeleton.by_name(name)
    error, _ = add(pose_errors.TRACKER, frames=20, skel=skel)
    assert np.isfinite(error).all()
    swapped, _ = add(dataclasses.replace(NONE, turn_share=0.99), frames=5, skel=skel)
    sides = np.array(skel.mirror) != np.arange(skel.num_joints)
    assert (np.abs(swapped).max(axis=(0, 2)) > 0.0)[sides].all()


def test_errors_are_the_same_under_vmap():
    xyz = jnp.broadcast_to(standing(SKELETON), (30, 15, 3))
    time = jnp.arange(30) / FPS
    one = functools.partial(
        pose_errors.add_errors, errors=pose_errors.TRACKER, skeleton="ITOP15"
    )
    keys = jax.random.split(jax.random.key(3), 2)
    many, _ = jax.jit(jax.vmap(one, in_axes=(0, None, None)))(keys, xyz, time)
    alone, _ = jax.jit(one)(keys[1], xyz, time)
    np.testing.assert_allclose(many[1], alone, atol=1e-5)


def test_nan_stays_nan_and_harms_no_other_joint():
    xyz = np.broadcast_to(standing(SKELETON), (30, 15, 3)).copy()
    xyz[5:9, SKELETON.index("head")] = np.nan
    error, _ = add(pose_errors.NETWORK, frames=30, xyz=jnp.asarray(xyz))
    assert np.isfinite(np.delete(error, SKELETON.index("head"), axis=1)).all()
