"""2D keypoints as an input of the stage-2 networks."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models import test_anchor_net
from tests.models.test_backbones import random_parameters
from unipose_jax import models
from unipose_jax.geometry import camera, transforms
from unipose_jax.models import anchor_head, keypoint_anchors
from unipose_jax.weights import store

SIZE, P = test_anchor_net.SIZE, test_anchor_net.P
POSE = test_anchor_net.COLOR_FROM_DEPTH
INTRINSICS = jnp.array([150.0, 155.0, 80.0, 60.0])
NAMES = ("color_anchor_net", "depth_tokens")
MIRROR = np.array([[-1.0, 0.0, SIZE], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], np.float32)
every_network = pytest.mark.parametrize("name", NAMES)


def in_crop(uv, confidence=None, matrix=P, **options):
    confidence = jnp.ones(uv.shape[:-1]) if confidence is None else confidence
    return keypoint_anchors.in_crop(
        uv, confidence, INTRINSICS, jnp.asarray(matrix), size=SIZE, **options
    )


def people(count=6, z=2.0):
    """Points of a person in the frame of the depth camera."""
    xyz = 0.3 * jax.random.normal(jax.random.key(3), (count, 3))
    return xyz.at[:, 2].set(z)


def test_keypoints_in_a_colour_crop_by_hand():
    # 30 px right of the centre at f = 150 is x / z = 0.2; P maps it to 40 * 0.2 + 15.
    place, _ = in_crop(jnp.array([[110.0, 60.0]]))
    np.testing.assert_allclose(place, [[23.0, 17.0]], rtol=1e-6)


def test_keypoints_in_the_crop_of_another_camera_are_exact_at_the_persons_depth():
    xyz = people(z=2.0)
    uv = camera.uv_from_xyz(transforms.apply(POSE, xyz), INTRINSICS)
    place, known = in_crop(uv, cam_from_crop=POSE, depth=jnp.array(2.0))
    expected = (xyz / xyz[:, 2:]) @ P.T
    np.testing.assert_allclose(place, expected[:, :2], atol=1e-3)
    assert (known == 1.0).all()


@pytest.mark.parametrize("away", [-0.5, 0.5])
def test_the_baseline_displaces_joints_before_or_behind_the_person(away):
    pose = transforms.from_rotation_translation(jnp.eye(3), jnp.array([0.05, 0.0, 0.0]))
    xyz = people(z=2.5 + away)
    uv = camera.uv_from_xyz(transforms.apply(pose, xyz), INTRINSICS)
    place, _ = in_crop(uv, cam_from_crop=pose, depth=jnp.array(2.5))
    error = np.asarray(place - ((xyz / xyz[:, 2:]) @ P.T)[:, :2])
    expected = 0.05 * P[0, 0] * abs(1 / 2.5 - 1 / (2.5 + away))
    np.testing.assert_allclose(np.abs(error[:, 0]), expected, rtol=1e-3)
    np.testing.assert_allclose(error[:, 1], 0.0, atol=1e-3)


@pytest.mark.parametrize("two_cameras", [False, True])
def test_a_mirrored_crop_has_mirrored_keypoints(two_cameras):
    given = {"cam_from_crop": POSE, "depth": jnp.array(2.0)} if two_cameras else {}
    uv = jnp.array([[70.0, 50.0], [100.0, 66.0]])
    place, _ = in_crop(uv, **given)
    flipped, _ = in_crop(uv, matrix=MIRROR @ P, **given)
    np.testing.assert_allclose(flipped[:, 0], SIZE - place[:, 0], atol=1e-4)
    np.testing.assert_allclose(flipped[:, 1], place[:, 1], atol=1e-4)


def test_keypoints_far_outside_the_crop_are_ignored():
    # Pixels of the crop: 15 + 40 (u - 80) / 150.
    wanted = jnp.array([-17.0, -15.0, 47.0, 49.0])  # half of 32 outside is the limit
    uv = jnp.stack([(wanted - 15.0) * 150.0 / 40.0 + 80.0, jnp.full(4, 60.0)], -1)
    place, known = in_crop(uv, jnp.full(4, 0.7))
    np.testing.assert_allclose(known, [0.0, 0.7, 0.7, 0.0], rtol=1e-6)
    np.testing.assert_allclose(place[::3], SIZE / 2)
    np.testing.assert_allclose(place[1:3, 0], wanted[1:3], atol=1e-3)


def build(name, **changed):
    return test_anchor_net.build(name, keypoints=True, **changed)


def inputs_of(name, seed=0):
    """Two clips of two frames with three keypoints each."""
    shape = (2, 2, 3)
    keys = jax.random.split(jax.random.key(seed + 5), 2)
    middle = jnp.broadcast_to(INTRINSICS[2:], (*shape, 2))
    uv = middle + 25.0 * jax.random.normal(keys[0], (*shape, 2))
    return test_anchor_net.make_inputs(name, seed) | {
        "uv": uv,
        "confidence": jax.random.uniform(keys[1], shape, minval=0.3),
        "intrinsics": jnp.broadcast_to(INTRINSICS, (2, 4)),
        "cam_from_points": jnp.broadcast_to(POSE, (2, 4, 4)),
    }


@pytest.fixture(scope="module")
def nets():
    """(apply, parameters) by name; classified depth in colour, regressed in depth."""
    found = {}
    for name in NAMES:
        network = build(name, depth_bins=16 if name == "color_anchor_net" else 0)
        params = random_parameters(network, **inputs_of(name))
        apply = jax.jit(lambda params, network=network, **x: network.apply(params, **x))
        found[name] = (apply, params)
    return found


@every_network
def test_without_keypoints_is_confidence_0(nets, name):
    apply, params = nets[name]
    inputs = inputs_of(name)
    crop = {k: v for k, v in inputs.items() if k in test_anchor_net.make_inputs(name)}
    none = apply(params, **crop)
    zero = apply(params, **inputs | {"confidence": jnp.zeros((2, 2, 3))})
    chex.assert_trees_all_close(none, zero, rtol=1e-5, atol=1e-5)
    given = apply(params, **inputs)
    assert np.abs(given.xyz - none.xyz).max() > 1e-3


@every_network
def test_joints_without_keypoint_change_nothing_even_if_nan(nets, name):
    apply, params = nets[name]
    inputs = inputs_of(name)
    missed = jnp.zeros((2, 2, 3), bool).at[:, 0, 1].set(True)
    clean = inputs | {"confidence": jnp.where(missed, 0.0, inputs["confidence"])}
    dirty = clean | {"uv": jnp.where(missed[..., None], jnp.nan, inputs["uv"])}

    @jax.jit
    def slope(params, inputs):
        def total(params):
            estimate = apply(params, **inputs)
            return sum(jnp.sum(x**2) for x in jax.tree.leaves(estimate))

        return jax.value_and_grad(total)(params)

    found, expected = slope(params, dirty), slope(params, clean)
    chex.assert_tree_all_finite(found)
    chex.assert_trees_all_equal(found, expected)


@every_network
def test_a_keypoint_far_outside_the_crop_is_no_keypoint(nets, name):
    apply, params = nets[name]
    inputs = inputs_of(name)
    far = inputs["uv"].at[:, :, 0].set(jnp.array([5000.0, -3000.0]))
    without = inputs["confidence"].at[:, :, 0].set(0.0)
    chex.assert_trees_all_close(
        apply(params, **inputs | {"uv": far}),
        apply(params, **inputs | {"confidence": without}),
        rtol=1e-5,
        atol=1e-5,
    )


@every_network
def test_bad_cameras_and_empty_crops_give_finite_joints(nets, name):
    apply, params = nets[name]
    inputs = inputs_of(name)
    crop = "color_crop" if name == "color_anchor_net" else "depth_crop"
    nobody = {crop: jnp.zeros_like(inputs[crop])}
    if name != "color_anchor_net":
        nobody["reference_depth"] = jnp.zeros((2, 2))
    for changed in (nobody, {f"{crop}_matrix": jnp.zeros((2, 2, 3, 3))}):
        estimate = apply(params, **inputs | changed)
        chex.assert_tree_all_finite(jax.tree.leaves(estimate))


@every_network
def test_frames_are_independent(nets, name):
    apply, params = nets[name]
    inputs = inputs_of(name)
    fixed = ("cam_from_points", "intrinsics")
    swapped = {k: v if k in fixed else v[:, ::-1] for k, v in inputs.items()}
    back = jax.tree.map(lambda x: x[:, ::-1], apply(params, **swapped))
    chex.assert_trees_all_close(back, apply(params, **inputs), rtol=1e-4, atol=1e-4)


@every_network
def test_initially_a_joint_lies_near_its_keypoint(nets, name):
    apply, params = nets[name]
    blank = jax.tree.map(jnp.zeros_like, params)
    affinity = {"affinity": 6.0 * jnp.eye(3)}
    blank["params"]["core"]["head"] |= affinity
    inputs = inputs_of(name)
    estimate = apply(blank, **inputs)
    given = {}
    if name != "color_anchor_net":
        given = {"cam_from_crop": POSE[None, None], "depth": inputs["reference_depth"]}
    place, known = keypoint_anchors.in_crop(
        inputs["uv"],
        inputs["confidence"],
        inputs["intrinsics"][:, None],
        test_anchor_net.matrices(P),
        size=SIZE,
        **given,
    )
    error = np.abs(estimate.crop.uv - place)[np.asarray(known) > 0]
    assert error.max() < 0.1 * SIZE


def test_keypoints_need_their_camera(nets):
    apply, params = nets["color_anchor_net"]
    inputs = inputs_of("color_anchor_net")
    del inputs["intrinsics"]
    with pytest.raises(ValueError, match="keypoints need intrinsics"):
        apply(params, **inputs)


@pytest.mark.parametrize("modality", ["depth", "rgb"])
def test_keypoints_are_inputs_only_where_a_config_asks(modality):
    name = {"depth": "depth_anchor_net", "rgb": "color_anchor_net"}[modality]
    crop = models.CROP_FIELDS[modality]
    assert models.input_fields({"name": name}) == crop
    assert models.input_fields({"name": name, "keypoints": False}) == crop
    found = models.input_fields({"name": name, "keypoints": True})
    assert found[: len(crop)] == crop
    assert set(found) == {*crop, *models.KEYPOINT_FIELDS, "cam_from_points"}


def test_released_weights_fit_the_network_without_keypoints():
    params, meta = store.load(store.FOLDER / "depth")
    network = models.build(meta["model"], num_joints=15)
    size = meta["crop_size"]
    inputs = {
        "depth_crop": jnp.zeros((1, 1, size, size)),
        "depth_crop_matrix": jnp.eye(3)[None, None],
        "reference_depth": jnp.ones((1, 1)),
    }
    made = jax.eval_shape(lambda: network.init(jax.random.key(0), **inputs))
    chex.assert_trees_all_equal_shapes(made, params)


def test_bins_and_their_expectation_by_hand():
    # Four bins over 2 m: middles at -0.75, -0.25, 0.25 and 0.75.
    np.testing.assert_allclose(
        anchor_head.bin_centers(4), [-0.75, -0.25, 0.25, 0.75], rtol=1e-6
    )
    logits = jnp.log(jnp.array([[1e-9, 1.0, 3.0, 1e-9], [1.0, 1.0, 1.0, 1.0]]))
    found = anchor_head.expected_depth(logits)
    np.testing.assert_allclose(found, [0.25 * -0.25 + 0.75 * 0.25, 0.0], atol=1e-6)


def test_classified_depth_is_the_expectation_of_its_bins(nets):
    apply, params = nets["color_anchor_net"]
    estimate = apply(params, **inputs_of("color_anchor_net"))
    relative = anchor_head.expected_depth(estimate.crop.depth_logits)
    person = np.asarray(estimate.crop.depth - relative)
    np.testing.assert_allclose(person, person[..., :1] * np.ones(3), rtol=1e-5)
