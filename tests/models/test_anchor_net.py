import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models.test_backbones import random_parameters
from unipose_jax import models
from unipose_jax.geometry import transforms
from unipose_jax.models import anchor_net

SIZE = 32
P = np.array([[40.0, 0.0, 15.0], [0.0, 42.0, 17.0], [0.0, 0.0, 1.0]], np.float32)
COLOR_FROM_DEPTH = transforms.from_rotation_translation(
    transforms.rotation_from_euler(jnp.array([0.02, -0.1, 0.05])),
    jnp.array([0.05, -0.01, 0.02]),
)
NAMES = ("depth_anchor_net", "color_anchor_net", "depth_tokens")
every_network = pytest.mark.parametrize("name", NAMES)
every_depth_network = pytest.mark.parametrize(
    "name", ["depth_anchor_net", "depth_tokens"]
)


def affine(turn=0.0, scale=1.0, shift=(0.0, 0.0), mirror=False):
    """Pixels of a view from pixels of the crop."""
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    matrix = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [0, 0, 1.0]])
    return matrix @ np.diag([-1.0 if mirror else 1.0, 1.0, 1.0])


VIEWS = {
    "shift": affine(shift=(9.0, -4.0)),
    "turn": affine(turn=0.4),
    "scale": affine(scale=1.5),
    "mirror": affine(mirror=True, shift=(SIZE, 0.0)),
    "all": affine(turn=-2.0, scale=0.7, shift=(3.0, 30.0), mirror=True),
}
every_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


def matrices(p):
    return jnp.broadcast_to(jnp.asarray(p, jnp.float32), (2, 2, 3, 3))


def make_inputs(name, seed=0):
    """Two clips of two frames: a person in front of a wall, or random colours."""
    keys = jax.random.split(jax.random.key(seed), 2)
    if name != "color_anchor_net":
        body = 2.0 + 0.2 * jax.random.normal(keys[0], (2, 2, 20, 8))
        depth = jnp.full((2, 2, SIZE, SIZE), 4.0).at[:, :, 6:26, 12:20].set(body)
        return {
            "depth_crop": depth.at[:, :, 20:, 24:].set(0.0),
            "depth_crop_matrix": matrices(P),
            "reference_depth": jnp.array([[2.0, 2.1], [1.9, 2.0]]),
        }
    color = jax.random.randint(keys[1], (2, 2, SIZE, SIZE, 3), 0, 256)
    return {
        "color_crop": color.astype(jnp.uint8),
        "color_crop_matrix": matrices(P),
        "cam_from_points": jnp.broadcast_to(COLOR_FROM_DEPTH, (2, 4, 4)),
    }


def build(name, **changed):
    config = {"backbone": "small", "head_width": 8, "head_depth": 1, "dtype": "float32"}
    if name == "depth_tokens":
        name, config = "depth_anchor_net", config | {"backbone": "tokens"}
    return models.build({"name": name, **config, **changed}, num_joints=3)


@pytest.fixture(scope="module")
def nets():
    """(apply, parameters) by name."""
    found = {}
    for name in NAMES:
        network = build(name)
        params = random_parameters(network, **make_inputs(name))
        apply = jax.jit(lambda params, network=network, **x: network.apply(params, **x))
        found[name] = (apply, params)
    return found


def in_crop_camera(name, xyz):
    if name != "color_anchor_net":
        return np.asarray(xyz)
    pose = np.asarray(COLOR_FROM_DEPTH)
    return np.asarray(xyz) @ pose[:3, :3].T + pose[:3, 3]


def test_points_from_pixels_match_a_small_example():
    # 50 px right of the principal point at f = 100 and z = 2: one metre.
    p = jnp.array([[100.0, 0.0, 32.0], [0.0, 200.0, 30.0], [0.0, 0.0, 1.0]])
    xyz = anchor_net.xyz_from_crop(jnp.array([[82.0, 20.0]]), jnp.array([2.0]), p)
    np.testing.assert_allclose(xyz, [[1.0, -0.1, 2.0]], rtol=1e-6)


@every_view
def test_points_from_pixels_project_back_to_the_pixels(view):
    matrix = jnp.asarray(view @ P, jnp.float32)
    keys = jax.random.split(jax.random.key(2), 2)
    uv = jax.random.uniform(keys[0], (5, 2), maxval=SIZE)
    depth = jax.random.uniform(keys[1], (5,), minval=1.0, maxval=4.0)
    xyz = np.asarray(anchor_net.xyz_from_crop(uv, depth, matrix), np.float64)
    np.testing.assert_allclose((xyz / xyz[:, 2:] @ (view @ P).T)[:, :2], uv, atol=1e-3)
    np.testing.assert_array_equal(xyz[:, 2], depth)


@every_network
def test_joints_project_to_their_pixels_and_have_their_depth(nets, name):
    apply, params = nets[name]
    estimate = apply(params, **make_inputs(name))
    assert estimate.xyz.shape == (2, 2, 3, 3)
    assert estimate.confidence_logit.shape == estimate.crop.depth.shape == (2, 2, 3)
    assert estimate.crop.uv.shape == estimate.crop.anchor_uv.shape == (2, 2, 3, 2)
    xyz = in_crop_camera(name, estimate.xyz)
    np.testing.assert_allclose(xyz[..., 2], estimate.crop.depth, rtol=1e-5)
    uv = (xyz / xyz[..., 2:]) @ P.T
    np.testing.assert_allclose(uv[..., :2], estimate.crop.uv, rtol=1e-4)
    # The predictions differ between frames and joints.
    assert np.ptp(estimate.crop.uv, axis=(0, 1)).min() > 0.1
    assert np.ptp(estimate.crop.uv, axis=2).min() > 0.1


@every_network
@every_view
def test_another_crop_matrix_transforms_the_joints_of_the_same_image(nets, name, view):
    apply, params = nets[name]
    inputs = make_inputs(name)
    estimate = apply(params, **inputs)
    matrix = view @ P.astype(np.float64)
    field = "color_crop_matrix" if name == "color_anchor_net" else "depth_crop_matrix"
    viewed = apply(params, **inputs | {field: matrices(matrix)})
    np.testing.assert_array_equal(viewed.crop.uv, estimate.crop.uv)
    ones = np.ones_like(viewed.crop.depth)[..., None]
    rays = np.concatenate([viewed.crop.uv, ones], -1) @ np.linalg.inv(matrix).T
    expected = rays * np.asarray(viewed.crop.depth)[..., None]
    np.testing.assert_allclose(in_crop_camera(name, viewed.xyz), expected, atol=1e-4)


@every_network
@pytest.mark.parametrize("view", ["shift", "turn", "mirror"])
def test_a_crop_transform_without_scaling_keeps_the_depth(nets, name, view):
    apply, params = nets[name]
    inputs = make_inputs(name)
    field = "color_crop_matrix" if name == "color_anchor_net" else "depth_crop_matrix"
    viewed = apply(params, **inputs | {field: matrices(VIEWS[view] @ P)})
    depth = apply(params, **inputs).crop.depth
    np.testing.assert_allclose(viewed.crop.depth, depth, rtol=1e-5)


@every_depth_network
def test_depth_network_is_equivariant_to_shifts_along_z(nets, name):
    apply, params = nets[name]
    inputs = make_inputs(name)
    near, away = apply(params, **inputs), 1.5
    depth = inputs["depth_crop"]
    far = apply(
        params,
        depth_crop=jnp.where(depth > 0.0, depth + away, 0.0),
        depth_crop_matrix=inputs["depth_crop_matrix"],
        reference_depth=inputs["reference_depth"] + away,
    )
    # Rounding of the shifted input in float32, amplified by the layers.
    np.testing.assert_allclose(far.crop.uv, near.crop.uv, atol=1e-2)
    factor = (near.crop.depth + away) / near.crop.depth
    np.testing.assert_allclose(far.xyz, near.xyz * factor[..., None], atol=1e-3)
    np.testing.assert_allclose(far.confidence_logit, near.confidence_logit, atol=1e-3)


@every_depth_network
def test_depth_network_ignores_the_distance_of_the_background(nets, name):
    apply, params = nets[name]
    inputs = make_inputs(name)
    wall = inputs["depth_crop"] == 4.0
    farther = inputs | {"depth_crop": jnp.where(wall, 9.0, inputs["depth_crop"])}
    chex.assert_trees_all_equal(apply(params, **farther), apply(params, **inputs))


@every_depth_network
def test_depth_network_distinguishes_missing_depth_from_the_reference_depth(nets, name):
    apply, params = nets[name]
    inputs = make_inputs(name)
    hole = inputs["depth_crop"] == 0.0
    reference = inputs["reference_depth"][..., None, None]
    filled = inputs | {"depth_crop": jnp.where(hole, reference, inputs["depth_crop"])}
    change = apply(params, **filled).crop.uv - apply(params, **inputs).crop.uv
    assert np.abs(change).max() > 0.1


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_colour_network_depth_is_proportional_to_the_focal_length(nets, factor):
    apply, params = nets["color_anchor_net"]
    inputs = make_inputs("color_anchor_net")

    def depth(zoom):
        zoomed = np.diag([zoom, zoom, 1.0]) @ P
        return apply(
            params, **inputs | {"color_crop_matrix": matrices(zoomed)}
        ).crop.depth

    once = depth(2.0) - depth(1.0)  # the depth of the person as a whole
    assert np.min(once) > 0.1
    assert np.ptp(once, axis=-1).max() < 1e-4
    np.testing.assert_allclose(
        depth(factor) - depth(1.0), (factor - 1) * once, rtol=1e-4
    )


def test_initial_colour_network_assumes_an_adult_who_fills_the_crop(nets):
    apply, params = nets["color_anchor_net"]
    blank = jax.tree.map(jnp.zeros_like, params)
    estimate = apply(blank, **make_inputs("color_anchor_net"))
    np.testing.assert_allclose(estimate.crop.uv, SIZE / 2, rtol=1e-5)
    # A metre and a half without the crop's margins, and pixels span z / f metres.
    depth = np.sqrt(40.0 * 42.0) * 1.5 / (SIZE / 1.2)
    np.testing.assert_allclose(estimate.crop.depth, depth, rtol=1e-5)


def test_colour_network_joints_are_in_the_depth_camera_frame(nets):
    apply, params = nets["color_anchor_net"]
    inputs = make_inputs("color_anchor_net")
    same = inputs | {"cam_from_points": jnp.broadcast_to(jnp.eye(4), (2, 4, 4))}
    expected = transforms.apply(
        inputs["cam_from_points"][:, None], apply(params, **inputs).xyz
    )
    np.testing.assert_allclose(apply(params, **same).xyz, expected, atol=1e-5)


@every_network
def test_frames_are_independent(nets, name):
    apply, params = nets[name]
    inputs = make_inputs(name)
    swapped = {
        field: value if field == "cam_from_points" else value[:, ::-1]
        for field, value in inputs.items()
    }
    back = jax.tree.map(lambda x: x[:, ::-1], apply(params, **swapped))
    chex.assert_trees_all_close(back, apply(params, **inputs), rtol=1e-4, atol=1e-4)


def empty(name, matrix):
    """Nobody there: no depth or black, and no reference depth."""
    inputs = make_inputs(name)
    pose = {k: v for k, v in inputs.items() if k == "cam_from_points"}
    nothing = {k: jnp.zeros_like(v) for k, v in inputs.items() if k not in pose}
    field = "color_crop_matrix" if name == "color_anchor_net" else "depth_crop_matrix"
    return nothing | pose | {field: matrices(matrix)}


@pytest.fixture(scope="module")
def slopes(nets):
    """Functions of inputs by name: (gradient for the parameters, estimate)."""

    def of(name):
        apply, params = nets[name]

        def total(params, inputs):
            estimate = apply(params, **inputs)
            return sum(jnp.sum(x**2) for x in jax.tree.leaves(estimate)), estimate

        slope = jax.jit(jax.grad(total, has_aux=True))
        return lambda inputs: slope(params, inputs)

    return {name: of(name) for name in NAMES}


@every_network
@pytest.mark.parametrize("matrix", [P, np.zeros((3, 3))], ids=["camera", "no camera"])
def test_empty_crops_give_finite_joints_and_gradients(slopes, name, matrix):
    grad, estimate = slopes[name](empty(name, matrix))
    chex.assert_tree_all_finite((grad, jax.tree.leaves(estimate)))


@every_network
def test_every_parameter_has_a_gradient(slopes, name):
    grad, _ = slopes[name](make_inputs(name))
    for path, slope in jax.tree_util.tree_leaves_with_path(grad):
        assert np.isfinite(slope).all(), path
        assert np.abs(slope).max() > 0.0, path


@every_network
def test_bfloat16_stays_close_and_returns_float32(nets, name):
    apply, params = nets[name]
    network = build(name, dtype="bfloat16")
    coarse = jax.jit(lambda params, inputs: network.apply(params, **inputs))
    found = coarse(params, make_inputs(name))
    assert {x.dtype.name for x in jax.tree.leaves(found)} == {"float32"}
    exact = apply(params, **make_inputs(name))
    # bfloat16 keeps 8 bits; softmax, pixels and metres stay float32.
    np.testing.assert_allclose(found.crop.uv, exact.crop.uv, atol=1.0)
    np.testing.assert_allclose(found.crop.depth, exact.crop.depth, rtol=0.05)
    assert np.abs(found.xyz - exact.xyz).max() > 0.0


@every_network
@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
def test_residual_networks_work_as_backbones(name, backbone):
    network = build(name, backbone=backbone)

    def first_joints(key):
        return network.init_with_output(key, **make_inputs(name))[0].xyz

    assert jax.eval_shape(first_joints, jax.random.key(0)).shape == (2, 2, 3, 3)


def test_unknown_backbone_names_the_choices():
    network = build("depth_anchor_net", backbone="huge")
    with pytest.raises(ValueError, match="'huge'; choose from .*'small'"):
        jax.eval_shape(
            network.init, jax.random.key(0), **make_inputs("depth_anchor_net")
        )
