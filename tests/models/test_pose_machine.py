"""Tests of the pose machine and its cores against NumPy references and geometry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import models
from unipose_jax.geometry import camera
from unipose_jax.models import pose_machine, sequence_cores, virtual_camera

WIDTH, FRAMES, JOINTS = 4, 5, 6


def random(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def initialised(module, *inputs):
    params = jax.jit(module.init)(jax.random.key(0), *inputs)
    # Biases, which start at zero, too.
    leaves, tree = jax.tree.flatten(params)
    leaves = [leaf + 0.1 * random(i, *leaf.shape) for i, leaf in enumerate(leaves)]
    return jax.tree.unflatten(tree, leaves)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def plain_norm(x, p):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-6) * p["scale"] + p["bias"]


def plain_lstm(x, p):
    """Hochreiter's cell with forget gates, frame after frame of one clip."""
    cell, hidden, found = np.zeros(WIDTH), np.zeros(WIDTH), []
    for frame in x:
        gate = {
            name: frame @ p[f"i{name}"]["kernel"]
            + hidden @ p[f"h{name}"]["kernel"]
            + p[f"h{name}"]["bias"]
            for name in "ifgo"
        }
        cell = sigmoid(gate["f"]) * cell + sigmoid(gate["i"]) * np.tanh(gate["g"])
        hidden = sigmoid(gate["o"]) * np.tanh(cell)
        found.append(hidden)
    return np.array(found)


def test_lstm_passes_forward_then_reversed():
    core = sequence_cores.build(
        "lstm", width=WIDTH, depth=1, dtype=jnp.dtype("float32")
    )
    x = jnp.asarray(random(0, 2, FRAMES, WIDTH))
    params = initialised(core, x)
    p = jax.tree.map(np.asarray, params["params"])
    cells = [p["OptimizedLSTMCell_0"], p["OptimizedLSTMCell_1"]]
    expected = []
    for clip in np.asarray(x):
        clip = clip + plain_lstm(plain_norm(clip, p["norm_forward_0"]), cells[0])
        read = plain_norm(clip, p["norm_reversed_0"])
        expected.append(clip + plain_lstm(read[::-1], cells[1])[::-1])
    np.testing.assert_allclose(jax.jit(core.apply)(params, x), expected, atol=1e-5)


@pytest.mark.parametrize("kind", sequence_cores.CORES)
def test_cores_have_one_interface_and_use_past_and_future_frames(kind):
    core = sequence_cores.build(kind, width=8, depth=1, dtype=jnp.dtype("float32"))
    x = jnp.asarray(random(0, 2, FRAMES, 8))
    params = initialised(core, x)
    assert jax.eval_shape(core.apply, params, x).shape == x.shape
    slope = jax.jit(jax.grad(lambda x: core.apply(params, x)[0, 2].sum()))(x)
    assert (np.abs(slope[0]).max(-1)[1:4] > 0).all()
    np.testing.assert_array_equal(slope[1], 0.0)


def test_unknown_core_names_the_choices():
    with pytest.raises(ValueError, match="lstm, gru, convolutions, attention"):
        sequence_cores.build("magic", width=4, depth=1, dtype=jnp.dtype("float32"))


def test_projector_is_two_hidden_layers_the_second_residual():
    xyz = jnp.asarray(random(0, 2, JOINTS, 3))
    module = pose_machine.Projector(7)
    params = initialised(module, xyz)
    p = jax.tree.map(np.asarray, params["params"])

    def dense(x, name):
        return np.asarray(x) @ p[name]["kernel"] + p[name]["bias"]

    x = np.maximum(dense(xyz.reshape(2, -1), "hidden"), 0)
    x = x + np.maximum(dense(x, "residual"), 0)
    expected = dense(x, "plane").reshape(2, JOINTS, 2)
    np.testing.assert_allclose(module.apply(params, xyz), expected, atol=1e-5)


def test_correction_is_one_hidden_layer_added_to_the_pose():
    xyz = jnp.asarray(random(0, 2, JOINTS, 3))
    module = pose_machine.Correction(7)
    params = initialised(module, xyz)
    p = jax.tree.map(np.asarray, params["params"])
    flat = np.asarray(xyz).reshape(2, -1)
    hidden = np.maximum(flat @ p["hidden"]["kernel"] + p["hidden"]["bias"], 0)
    change = hidden @ p["change"]["kernel"] + p["change"]["bias"]
    found = module.apply(params, xyz)
    np.testing.assert_allclose(
        found, np.asarray(xyz) + change.reshape(xyz.shape), atol=1e-5
    )


@pytest.fixture(scope="module")
def clip():
    xyz = random(0, 1, FRAMES, JOINTS, 3) * 0.4 + [0.5, -0.2, 4.0]
    intrinsics = jnp.array([[700.0, 710.0, 320.0, 240.0]])
    uv = camera.uv_from_xyz(jnp.asarray(xyz, jnp.float32), intrinsics[:, None])
    return {
        "uv": uv,
        "confidence": jnp.ones((1, FRAMES, JOINTS)),
        "intrinsics": intrinsics,
    }


@pytest.fixture(scope="module")
def machine(clip):
    network = models.PoseMachine(JOINTS, core="convolutions", width=8, hidden=8)
    params = jax.jit(network.init)(jax.random.key(0), **clip)
    embed = params["params"]["keypoint_features"]["Dense_0"]  # starts at zero
    embed["kernel"] = embed["kernel"] + 0.1 * random(0, *embed["kernel"].shape)
    return jax.jit(lambda **inputs: network.apply(params, **inputs))


def test_another_camera_with_the_same_rays_gives_the_same_pose(clip, machine):
    other = jnp.array([[350.0, 1420.0, 10.0, 500.0]])
    scale = other[:, :2] / clip["intrinsics"][:, :2]
    center = clip["intrinsics"][:, None, None, 2:]
    uv = (clip["uv"] - center) * scale[:, None, None] + other[:, None, None, 2:]
    found = machine(**clip | {"uv": uv, "intrinsics": other})
    np.testing.assert_allclose(found.xyz, machine(**clip).xyz, atol=1e-3)


def test_half_the_apparent_size_doubles_the_distance(clip, machine):
    seen = clip["confidence"] > 0
    view, plane = virtual_camera.from_keypoints(clip["uv"], seen, clip["intrinsics"])
    longer = clip["intrinsics"] * jnp.array([[2.0, 2.0, 1.0, 1.0]])
    far, _ = virtual_camera.from_keypoints(clip["uv"], seen, longer)
    np.testing.assert_allclose(far.depth, 2 * view.depth, rtol=0.05)
    np.testing.assert_allclose(np.square(plane).sum(-1).mean(), 1.0, rtol=1e-4)
    assert machine(**clip).xyz[..., 2].min() > 0


def test_keypoints_without_confidence_do_not_matter(clip, machine):
    confidence = clip["confidence"].at[0, 2, 3].set(0.0)
    uv = clip["uv"].at[0, 2, 3].set(jnp.nan)
    dirty = machine(**clip | {"uv": uv, "confidence": confidence})
    clean = machine(**clip | {"confidence": confidence})
    np.testing.assert_array_equal(dirty.xyz, clean.xyz)


def test_a_joint_that_training_never_saw_adds_no_noise(clip):
    features = pose_machine.KeypointFeatures(8)
    view, plane = virtual_camera.from_keypoints(
        clip["uv"], clip["confidence"] > 0, clip["intrinsics"]
    )
    inputs = (plane.at[:, :, 2].set(0.0), clip["confidence"].at[:, :, 2].set(0.0), view)
    params = jax.jit(features.init)(jax.random.key(0), *inputs)
    apply = jax.jit(features.apply)

    def change(plane, confidence):
        @jax.jit
        def slope(params):
            return jax.grad(lambda p: features.apply(p, *inputs).sum())(params)

        trained = jax.tree.map(lambda p, g: p - g, params, slope(params))
        found = apply(trained, plane, confidence, view)
        return np.abs(found - apply(trained, *inputs)).max()

    assert change(plane, clip["confidence"]) == 0.0
    assert change(2.0 * inputs[0], inputs[1]) > 0.01  # others matter after a step


def test_frames_without_keypoints_look_where_others_do(clip):
    confidence = clip["confidence"].at[0, 2].set(0.0)
    uv = clip["uv"].at[0, 2].set(jnp.nan)
    view, plane = virtual_camera.from_keypoints(uv, confidence > 0, clip["intrinsics"])
    ahead = view.rotation[0, :, 2]
    mean = ahead[jnp.array([0, 1, 3, 4])].mean(0)
    np.testing.assert_allclose(ahead[2], mean / jnp.linalg.norm(mean), atol=0.01)
    assert (plane[0, 2] == 0).all()


def test_virtual_camera_points_along_the_direction_with_a_horizontal_x_axis():
    direction = np.array([0.3, -0.4, 0.8])
    direction /= np.linalg.norm(direction)
    rotation = np.asarray(
        virtual_camera.rotation_to_optical_axis(jnp.array(direction, dtype=jnp.float32))
    )
    np.testing.assert_allclose(rotation @ direction, [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(rotation) > 0
    assert rotation[0, 1] == 0


def test_projected_true_joints_equal_their_keypoints(clip):
    xyz = random(0, 1, FRAMES, JOINTS, 3) * 0.4 + [0.5, -0.2, 4.0]
    view, plane = virtual_camera.from_keypoints(
        clip["uv"], clip["confidence"] > 0, clip["intrinsics"]
    )
    turned = view.from_camera(jnp.asarray(xyz, jnp.float32))
    np.testing.assert_allclose(view.project(turned), plane, atol=1e-4)
    np.testing.assert_allclose(view.to_camera(turned), xyz, atol=1e-5)


@pytest.mark.parametrize("features", ["image", "both"])
def test_image_features_have_the_same_interface(clip, features):
    network = models.PoseMachine(
        JOINTS, features=features, core="convolutions", width=16, hidden=8
    )
    crop = np.random.default_rng(0).integers(0, 255, (1, FRAMES, 16, 16, 3), np.uint8)
    matrix = np.array([[40.0, 0, 3.0], [0, 40.0, 10.0], [0, 0, 1]], np.float32)
    matrix = np.broadcast_to(matrix, (1, FRAMES, 3, 3))
    inputs = clip | {
        "color_crop": jnp.asarray(crop),
        "color_crop_matrix": jnp.asarray(matrix),
    }
    params = jax.jit(network.init)(jax.random.key(0), **inputs)
    apply = jax.jit(network.apply)
    found = apply(params, **inputs)
    assert found.xyz.shape == (1, FRAMES, JOINTS, 3)
    dark = apply(params, **inputs | {"color_crop": inputs["color_crop"] // 4})
    assert np.abs(found.xyz - dark.xyz).max() > 0
