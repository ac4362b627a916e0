"""Tests of 2D keypoints as an input of the point network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models import networks
from unipose_jax import models, skeleton
from unipose_jax.geometry import camera, transforms
from unipose_jax.models import keypoint_tokens
from unipose_jax.train.augment import point_augment

ITOP = skeleton.by_name("ITOP15")
BATCH, FRAMES, JOINTS, POINTS = 2, 2, 15, 64
CONFIG = {
    "name": "point_net",
    "num_patches": 8,
    "width": 16,
    "num_blocks": 1,
    "num_heads": 2,
    "fusion": "none",
    "keypoints": True,
    "backbone": "small",
    "image_grid": 2,
    "dtype": "float32",
}
INTRINSICS = jnp.array([140.0, 140.0, 80.0, 60.0])


@pytest.fixture(scope="module")
def clip():
    return make_clip()


@jax.jit
def make_clip():
    """People at 2.5 m, seen by a colour camera 10 cm beside the depth camera."""
    keys = jax.random.split(jax.random.key(0), 2)
    size = jnp.array([0.3, 0.6, 0.15]).reshape(1, 1, 1, 3)
    place = jnp.array([0.2, -0.1, 2.5]).reshape(1, 1, 1, 3)
    points = size * jax.random.normal(keys[0], (BATCH, FRAMES, POINTS, 3)) + place
    joints = size * jax.random.normal(keys[1], (BATCH, FRAMES, JOINTS, 3)) + place
    pose = jnp.eye(4).at[:3, 3].set(jnp.array([0.1, 0.02, -0.03]))
    pose = jnp.broadcast_to(pose, (BATCH, 4, 4))
    seen = transforms.apply(pose[:, None], joints)
    intrinsics = jnp.broadcast_to(INTRINSICS, (BATCH, 4))
    return {
        "points": points,
        "points_valid": jnp.ones((BATCH, FRAMES, POINTS), bool),
        "time": jnp.tile(jnp.arange(FRAMES) / 15.0, (BATCH, 1)),
        "uv": camera.uv_from_xyz(seen, intrinsics[:, None]),
        "confidence": jnp.full((BATCH, FRAMES, JOINTS), 0.8),
        "intrinsics": intrinsics,
        "cam_from_points": pose,
    }


@pytest.fixture(scope="module")
def params(clip):
    return networks.initialize(CONFIG, JOINTS, clip)[1]


@pytest.fixture(scope="module")
def net(params):
    network = models.build(CONFIG, num_joints=JOINTS)
    apply = jax.jit(lambda inputs: network.apply(params, **inputs))
    return lambda clip, **changed: apply(clip | changed)


def without_keypoints(clip):
    names = set(models.input_fields(CONFIG)) - set(models.POINT_FIELDS)
    return {name: value for name, value in clip.items() if name not in names}


def assert_same(a, b, atol=1e-5):
    np.testing.assert_allclose(a.xyz, b.xyz, atol=atol)
    np.testing.assert_allclose(a.confidence_logit, b.confidence_logit, atol=atol)


def test_keypoints_are_inputs_of_the_network_only_if_the_config_says_so():
    fields = models.input_fields(CONFIG)
    assert {"uv", "confidence", "intrinsics", "cam_from_points"} < set(fields)
    assert models.input_fields(CONFIG | {"keypoints": False}) == models.POINT_FIELDS


def test_a_keypoint_changes_the_prediction(net, clip):
    moved = clip["uv"].at[0, 0, 3].add(12.0)
    change = jnp.abs(net(clip, uv=moved).xyz - net(clip).xyz).max((1, 2, 3))
    assert change[0] > 1e-3
    assert change[1] < 1e-6


def test_no_keypoint_found_is_the_same_as_no_keypoints_given(net, clip):
    nothing = net(clip, confidence=jnp.zeros_like(clip["confidence"]))
    assert_same(nothing, net(without_keypoints(clip)))
    assert float(jnp.abs(nothing.xyz - net(clip).xyz).max()) > 1e-3


def test_keypoints_that_were_not_found_may_hold_nan(params, clip):
    network = models.build(CONFIG, num_joints=JOINTS)
    confidence = clip["confidence"].at[..., ::2].set(0.0)
    bad = clip["uv"].at[:, :, ::2].set(jnp.nan)

    @jax.jit
    def value_and_grad(uv):
        def loss(params):
            fed = clip | {"uv": uv, "confidence": confidence}
            return (network.apply(params, **fed).xyz ** 2).mean()

        return jax.value_and_grad(loss)(params)

    clean, dirty = value_and_grad(clip["uv"]), value_and_grad(bad)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), clean, dirty)


@pytest.mark.parametrize("broken", ["intrinsics", "cam_from_points"])
def test_keypoints_of_an_unknown_camera_are_not_used(net, clip, broken):
    blank = {broken: jnp.zeros_like(clip[broken])}
    assert_same(net(clip, **blank), net(without_keypoints(clip)))


def test_joints_move_with_the_cloud_and_the_keypoint_camera(net, clip):
    move = jnp.array([0.4, -0.2, 0.7])
    pose = clip["cam_from_points"]
    shift = jnp.einsum("bij,j->bi", pose[:, :3, :3], move)
    moved = net(
        clip,
        points=clip["points"] + move.reshape(1, 1, 1, 3),
        cam_from_points=pose.at[:, :3, 3].add(-shift),
    )
    expected = net(clip).xyz + move.reshape(1, 1, 1, 3)
    np.testing.assert_allclose(moved.xyz, expected, atol=2e-3)


def test_without_a_cloud_the_person_is_where_the_keypoints_are(net, clip):
    empty = {"points_valid": jnp.zeros_like(clip["points_valid"])}
    # A picture of half the size is one of a person twice as far away.
    middle = INTRINSICS[2:].reshape(1, 1, 1, 2)
    smaller = middle + 0.5 * (clip["uv"] - middle)
    empty["cam_from_points"] = jnp.broadcast_to(jnp.eye(4), (BATCH, 4, 4))
    near, far = net(clip, **empty), net(clip, **empty, uv=smaller)
    assert bool(jnp.isfinite(near.xyz).all())
    ratio = far.xyz[..., 2].mean() / near.xyz[..., 2].mean()
    assert 1.7 < ratio < 2.3


def test_a_token_lies_behind_the_surface_at_its_pixel():
    wall = jnp.stack(
        jnp.meshgrid(jnp.linspace(-0.2, 0.2, 21), jnp.linspace(-0.2, 0.2, 21)), -1
    ).reshape(1, 1, -1, 2)
    points = jnp.concatenate([wall, jnp.full((1, 1, 441, 1), 2.0)], -1)
    aside = 80.0 + 140.0 * 0.5  # no point of the wall is there
    uv = jnp.array([[[[80.0, 60.0], [80.0 + 7.0, 60.0], [aside, 60.0]]]])
    tokens = keypoint_tokens.KeypointTokens(num_joints=3, width=4)
    keypoints = keypoint_tokens.normalize(
        uv, jnp.ones((1, 1, 3)), INTRINSICS[None], jnp.eye(4)[None]
    )
    valid = jnp.ones((1, 1, 441), bool)
    (_, places), variables = jax.jit(tokens.init_with_output)(
        jax.random.key(0), keypoints, points, valid
    )
    skin = variables["params"]["skin_depth"]
    found = np.asarray(places)[0, 0]
    np.testing.assert_allclose(found[:2, 2], 2.0 + skin[:2], atol=1e-3)
    np.testing.assert_allclose(found[1, 0], 0.05 * found[1, 2], atol=1e-5)
    np.testing.assert_allclose(found[2], [1.0, 0.0, 2.0], atol=1e-5)


@pytest.mark.parametrize("mirror", [False, True])
def test_tokens_follow_a_changed_view(clip, mirror):
    tokens = keypoint_tokens.KeypointTokens(num_joints=JOINTS, width=4)

    @jax.jit
    def places(points, uv, confidence, intrinsics, pose):
        keypoints = keypoint_tokens.normalize(uv, confidence, intrinsics, pose)
        valid = jnp.ones(points.shape[:-1], bool)
        key = jax.random.key(0)
        return tokens.init_with_output(key, keypoints, points, valid)[0][1][0]

    @jax.jit
    def change(points, uv, confidence, intrinsics, pose):
        turn = transforms.rotation_from_euler(jnp.array([0.1, -0.3, 0.2]))
        flip = jnp.diag(jnp.array([-1.0 if mirror else 1.0, 1.0, 1.0]))
        view = point_augment.PointTransform(turn @ flip, jnp.array(mirror))
        uv, confidence = keypoint_tokens.mirror(
            uv[0], confidence[0], mirrored=view.mirrored, permutation=ITOP.mirror
        )
        points = point_augment.transform_points(view, points[0])
        pose = point_augment.transform_camera(view, pose[0])
        parts = (points, uv, confidence, intrinsics[0], pose)
        return view, [part[None] for part in parts]

    names = ("points", "uv", "confidence", "intrinsics", "cam_from_points")
    first = [clip[name][:1] for name in names]
    view, changed = change(*first)
    order = np.array(ITOP.mirror) if mirror else np.arange(JOINTS)
    expected = jax.jit(point_augment.transform_points)(view, places(*first))[:, order]
    np.testing.assert_allclose(places(*changed), expected, atol=1e-4)
