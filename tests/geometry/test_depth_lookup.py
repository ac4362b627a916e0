import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import camera, depth_lookup

INTRINSICS = np.array([100.0, 100.0, 50.0, 40.0], np.float32)


def make_example(seed=0, joints=4):
    """A plane at 2 m seen by an 100 x 80 camera, and keypoints in the picture."""
    v, u = np.mgrid[:80, :100] + 0.5
    uv = np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32)
    depth = np.full(len(uv), 2.0, np.float32)
    points = camera.xyz_from_uv_depth(uv, depth, INTRINSICS)
    rng = np.random.default_rng(seed)
    return {
        "uv": rng.uniform(10, 70, (joints, 2)).astype(np.float32),
        "intrinsics": INTRINSICS,
        "points": points,
        "skin_depth": np.linspace(0.01, 0.1, joints, dtype=np.float32),
    }


def test_a_joint_on_the_axis_is_at_the_median_plus_the_skin_depth():
    # Pixel (50, 40) is between four pixels; the window of 5 holds 5 x 5 or 4 x 4.
    example = make_example(joints=1) | {"uv": np.array([[50.0, 40.0]], np.float32)}
    near = np.abs(example["points"][:, :2]).max(axis=1) < 0.02
    example["points"][near] *= 0.5  # four pixels of 16, a minority
    xyz, valid = depth_lookup.look_up_joints(**example)
    np.testing.assert_allclose(xyz, [[0.0, 0.0, 2.01]], rtol=1e-6)
    assert valid.all()


def test_the_skin_depth_is_added_along_the_ray():
    example = make_example()
    xyz, _ = depth_lookup.look_up_joints(**example)
    rays = camera.ray_dirs_from_uv(example["uv"], INTRINSICS)
    surface = rays * (2.0 / rays[:, 2:])
    expected = np.linalg.norm(surface, axis=1) + example["skin_depth"]
    np.testing.assert_allclose(np.linalg.norm(xyz, axis=1), expected, rtol=1e-5)
    np.testing.assert_allclose(
        camera.uv_from_xyz(xyz, INTRINSICS), example["uv"], atol=1e-3
    )  # pixels


@pytest.mark.parametrize("size", [1.0, 3.0, 5.0])
def test_the_window_is_square_and_of_the_given_size(size):
    # One point of the plane at 1 m, two pixels to the right of the keypoint.
    example = make_example(joints=1) | {"uv": np.array([[50.5, 40.5]], np.float32)}
    keep = np.abs(example["points"] @ np.diag([100, 100, 0]) / 2 - [2.5, 0.5, 0])
    example["points"] = example["points"][keep.max(axis=1) < 0.1]
    assert len(example["points"]) == 1
    _, valid = depth_lookup.look_up_joints(**example, window=size)
    assert valid[0] == (size == 5.0)


def test_joints_without_keypoint_or_points_are_invalid_even_if_nan():
    example = make_example()
    example["uv"][0] = np.nan
    example["uv"][1] = 500.0
    where = np.array([True, True, False, True])
    xyz, valid = depth_lookup.look_up_joints(**example, where=where)
    np.testing.assert_array_equal(valid, [False, False, False, True])
    assert (xyz[:3] == 0).all()


def test_points_that_are_not_valid_change_nothing_even_if_nan():
    clean = make_example()
    bad = np.full((50, 3), np.nan, np.float32)
    dirty = clean | {"points": np.concatenate([clean["points"], bad, -bad * 0 - 1])}
    expected = depth_lookup.look_up_joints(**clean)
    chex.assert_trees_all_close(depth_lookup.look_up_joints(**dirty), expected)
    near = clean | {"points": np.concatenate([clean["points"], clean["points"] / 2])}
    valid = np.arange(16000) < 8000
    found = depth_lookup.look_up_joints(**near, points_valid=valid)
    chex.assert_trees_all_close(found, expected)


def test_numpy_jit_and_vmap_agree_and_gradients_are_finite():
    example = make_example()
    expected = depth_lookup.look_up_joints(**example)
    arrays = jax.tree.map(jnp.asarray, example)
    single = jax.jit(depth_lookup.look_up_joints)(**arrays)
    chex.assert_trees_all_close(single, expected, rtol=1e-5)  # XLA's order of sums
    batch = {k: jnp.stack([v, v]) for k, v in arrays.items() if k != "skin_depth"}
    batched = depth_lookup.look_up_joints(**batch, skin_depth=arrays["skin_depth"])
    chex.assert_trees_all_close(
        jax.tree.map(lambda x: x[1], batched), expected, rtol=1e-5
    )
    arrays["uv"] = arrays["uv"].at[0].set(jnp.nan)

    def total(points):
        return depth_lookup.look_up_joints(**arrays | {"points": points})[0].sum()

    chex.assert_tree_all_finite(jax.grad(total)(arrays["points"]))
