import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import metrics
from unipose_jax.geometry import transforms
from unipose_jax.skeleton import definitions

ITOP = definitions.ITOP15
TIME = jnp.arange(8) / 30.0
accumulate = jax.jit(metrics.accumulate, static_argnames="skeleton")


def poses(clips=4):
    keys = jax.random.split(jax.random.key(0), 3)
    target = jax.random.normal(keys[0], (clips, 8, 15, 3))
    xyz = target + 0.07 * jax.random.normal(keys[1], target.shape)
    valid = jax.random.bernoulli(keys[2], 0.8, target.shape[:-1])
    return {"xyz": xyz, "target": target, "valid": valid}


def summarize(sums):
    return metrics.summarize(sums, skeleton=ITOP)


def test_agrees_with_the_single_metrics():
    example = poses()
    times = jnp.broadcast_to(TIME, (4, 8))
    table = metrics.summary(**example, skeleton=ITOP, time=times)
    root = metrics.root(ITOP)
    expected = {
        "mpjpe_mm": 1000 * metrics.mpjpe(**example).mean(),
        "pa_mpjpe_mm": 1000 * metrics.pa_mpjpe(**example).mean(),
        "root_mpjpe_mm": 1000 * metrics.root_mpjpe(**example, root=root).mean(),
        "map_10cm": metrics.map_10cm(**example).mean(),
        "auc": metrics.auc(**example).mean(),
        "accel_error": metrics.accel_error(**example, time=times).mean(),
        "bone_length_error_mm": 1000
        * metrics.bone_length_error(**example, skeleton=ITOP).mean(),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(table[name], value, rtol=1e-5, err_msg=name)
    shares = metrics.pck(**example, threshold=0.10, per_joint=True).mean()
    np.testing.assert_allclose([*table["pck_10cm"].values()], shares, rtol=1e-6)
    halves = {"upper": metrics.upper_body(ITOP), "lower": metrics.lower_body(ITOP)}
    for half, joints in halves.items():
        value = np.array(shares)[list(joints)].mean()
        np.testing.assert_allclose(table[f"map_10cm_{half}"], value, rtol=1e-6)
    assert table["num_frames"] == 32


def test_numpy_arrays_give_the_same_without_jax():
    example = poses() | {"time": jnp.broadcast_to(TIME, (4, 8))}
    xyz = example["xyz"].at[0, 1, 2].set(jnp.inf)
    example |= {"xyz": xyz, "valid": example["valid"].at[0, 1, 2].set(False)}
    arrays = {name: np.asarray(value) for name, value in example.items()}
    sums = metrics.accumulate(**arrays, skeleton=ITOP)
    assert not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(sums))
    by_jax = accumulate(**example, skeleton=ITOP)
    for name in sums:
        for field in ("total", "weight"):
            same = (getattr(both[name], field) for both in (sums, by_jax))
            np.testing.assert_allclose(*same, rtol=1e-5, err_msg=f"{name} {field}")


@pytest.mark.parametrize("library", [np, jnp])
def test_a_predicted_nan_is_a_nan_of_its_frame_and_no_error(library):
    example = poses()
    bad = example["xyz"].at[0, 1, 2].set(jnp.nan)
    example |= {"xyz": bad, "valid": jnp.ones_like(example["valid"])}
    arrays = {name: library.asarray(value) for name, value in example.items()}
    assert math.isnan(metrics.summary(**arrays, skeleton=ITOP)["pa_mpjpe_mm"])
    aligned = transforms.similarity_align(arrays["xyz"], arrays["target"])
    expected = np.zeros((4, 8), bool)
    expected[0, 1] = True
    np.testing.assert_array_equal(np.isnan(aligned).all(axis=(-2, -1)), expected)


def test_a_part_of_the_joints_is_aligned_by_all_of_them():
    example = poses()
    counted = jax.random.bernoulli(jax.random.key(9), 0.3, example["valid"].shape)
    table = metrics.summary(**example, skeleton=ITOP, counted=counted)
    both = np.asarray(example["valid"] & counted)
    # Each joint's error after alignment by all, averaged by hand over the part.
    errors = np.array(
        [
            [
                metrics.pa_mpjpe(
                    example["xyz"][clip, frame],
                    example["target"][clip, frame],
                    valid=example["valid"][clip, frame],
                    per_joint=True,
                ).mean()
                for frame in range(8)
            ]
            for clip in range(4)
        ]
    )
    np.testing.assert_allclose(
        table["pa_mpjpe_mm"], 1000 * errors[both].mean(), rtol=1e-5
    )
    plain = metrics.mpjpe(example["xyz"], example["target"], valid=jnp.asarray(both))
    np.testing.assert_allclose(table["mpjpe_mm"], 1000 * plain.mean(), rtol=1e-5)
    rooted = metrics.root_mpjpe(
        **example, root=metrics.root(ITOP), counted=counted
    ).mean()
    np.testing.assert_allclose(table["root_mpjpe_mm"], 1000 * rooted, rtol=1e-5)


def test_known_displacement_gives_known_numbers():
    target = poses(1)["target"][0]
    hand = ITOP.index("left_hand")
    xyz = (target + jnp.array([[[0.03, 0.0, 0.04]]])).at[:, hand, 0].add(0.27)
    valid = jnp.ones((8, 15), dtype=bool)
    table = metrics.summary(xyz, target, valid=valid, skeleton=ITOP, time=TIME)
    off = 1000 * math.hypot(0.30, 0.04)
    np.testing.assert_allclose(table["mpjpe_mm"], (14 * 50 + off) / 15, rtol=1e-4)
    np.testing.assert_allclose(table["root_mpjpe_mm"], 270 / 15, rtol=1e-4)
    np.testing.assert_allclose(table["map_10cm"], 14 / 15)
    np.testing.assert_allclose(table["map_10cm_upper"], 7 / 8)
    np.testing.assert_allclose(table["map_10cm_lower"], 1.0)
    assert table["pck_10cm"]["left_hand"] == 0.0
    assert table["pck_10cm"]["right_hand"] == 1.0
    np.testing.assert_allclose(table["joint_mpjpe_mm"]["left_hand"], off, rtol=1e-4)


def test_batches_added_up_equal_the_whole():
    example = poses()
    times = jnp.broadcast_to(TIME, (4, 8))
    whole = accumulate(**example, time=times, skeleton=ITOP)
    parts = [
        accumulate(
            **{name: value[rows] for name, value in example.items()},
            time=times[rows],
            skeleton=ITOP,
        )
        for rows in (slice(0, 1), slice(1, 4))
    ]
    added, whole = summarize(jax.tree.map(jnp.add, *parts)), summarize(whole)
    for name in set(whole) - {"pck_10cm", "joint_mpjpe_mm"}:
        np.testing.assert_allclose(added[name], whole[name], rtol=1e-4, err_msg=name)


def test_what_was_not_measured_is_nan():
    example = poses(1)
    valid = jnp.zeros((1, 8, 15), dtype=bool)
    nobody = summarize(accumulate(**example | {"valid": valid}, skeleton=ITOP))
    assert nobody["num_frames"] == 0
    assert math.isnan(nobody["mpjpe_mm"])
    assert math.isnan(nobody["map_10cm"])
    assert math.isnan(nobody["accel_error"])
    hidden = example["valid"].at[..., ITOP.index("head")].set(False)
    headless = summarize(accumulate(**example | {"valid": hidden}, skeleton=ITOP))
    assert math.isnan(headless["pck_10cm"]["head"])
    shares = [v for v in headless["pck_10cm"].values() if not math.isnan(v)]
    np.testing.assert_allclose(headless["map_10cm"], np.mean(shares), rtol=1e-6)


def test_table_is_plain_numbers_for_json():
    table = metrics.summary(**poses(1), skeleton=ITOP)
    again = json.loads(json.dumps(table))
    assert list(again["pck_10cm"]) == list(ITOP.joints)


def test_real_poses_with_a_known_error(sample_data):
    with np.load(sample_data / "itop" / "side_test_joints_first2451.npz") as file:
        target = jnp.asarray(file["xyz_m"][:60])
    xyz = target + jnp.array([[[0.0, 0.09, 0.12]]])
    valid = jnp.ones((60, 15), dtype=bool)
    time = jnp.arange(60) / 15.0
    table = summarize(accumulate(xyz, target, valid=valid, skeleton=ITOP, time=time))
    np.testing.assert_allclose(table["mpjpe_mm"], 150.0, rtol=1e-5)
    np.testing.assert_allclose(table["pa_mpjpe_mm"], 0.0, atol=0.01)
    assert table["map_10cm"] == 0.0
    assert table["accel_error"] == pytest.approx(0.0, abs=1e-3)


def test_a_skeleton_of_ones_own_joints_has_metrics():
    hand = definitions.Skeleton("hand", ("palm", "index", "tip"), (-1, 0, 1))
    target = jnp.zeros((2, 3, 3)).at[:, 1:, 0].set(0.1)
    options = {"valid": jnp.ones((2, 3), bool), "skeleton": hand}
    found = metrics.summary(target + 0.03, target, **options)
    np.testing.assert_allclose(found["mpjpe_mm"], 30.0 * np.sqrt(3.0), rtol=1e-4)
    assert found["pck_10cm"] == {"palm": 1.0, "index": 1.0, "tip": 1.0}
    for unknown in ("map_10cm_upper", "map_10cm_lower", "root_mpjpe_mm"):
        assert math.isnan(found[unknown])
