"""Tests of the point network with crops in addition to points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models import networks
from unipose_jax import models
from unipose_jax.models import image_tokens

BATCH, FRAMES, JOINTS, SIZE = 2, 2, 5, 32
CONFIG = {
    "name": "point_net",
    "num_patches": 8,
    "width": 16,
    "num_blocks": 1,
    "num_heads": 2,
    "fusion": "rgbd",
    "backbone": "small",
    "image_grid": 2,
    "dtype": "float32",
}


def camera(shift: float):
    """P of a crop around a person at 2.5 m, its middle `shift` metres to the right."""
    focal = 30.0
    left = SIZE / 2 - focal * shift / 2.5
    return jnp.array([[focal, 0.0, left], [0.0, focal, SIZE / 2], [0.0, 0.0, 1.0]])


@pytest.fixture(scope="module")
def clip():
    keys = jax.random.split(jax.random.key(0), 4)
    spread = jnp.array([0.3, 0.6, 0.15]).reshape(1, 1, 1, 3)
    points = jax.random.normal(keys[0], (BATCH, FRAMES, 64, 3)) * spread
    shape = (BATCH, FRAMES, SIZE, SIZE)
    pose = jnp.eye(4).at[:3, 3].set(jnp.array([0.1, 0.02, -0.03]))
    return {
        "points": points + jnp.array([0.2, -0.1, 2.5]).reshape(1, 1, 1, 3),
        "points_valid": jnp.ones((BATCH, FRAMES, 64), bool),
        "time": jnp.tile(jnp.arange(FRAMES) / 15.0, (BATCH, 1)),
        "depth_crop": jax.random.uniform(keys[1], shape, minval=2.0, maxval=3.0),
        "depth_crop_matrix": jnp.broadcast_to(camera(0.2), (BATCH, FRAMES, 3, 3)),
        "reference_depth": jnp.full((BATCH, FRAMES), 2.5),
        "color_crop": jax.random.randint(keys[2], (*shape, 3), 0, 256, jnp.uint8),
        "color_crop_matrix": jnp.broadcast_to(camera(0.3), (BATCH, FRAMES, 3, 3)),
        "cam_from_points": jnp.broadcast_to(pose, (BATCH, 4, 4)),
    }


@pytest.fixture(scope="module")
def params(clip):
    return networks.initialize(CONFIG, JOINTS, clip)[1]


@pytest.fixture(scope="module")
def net(params):
    network = models.build(CONFIG, num_joints=JOINTS)
    apply = jax.jit(lambda inputs: network.apply(params, **inputs))
    return lambda clip, **changed: apply(clip | changed)


def without(clip, modality):
    gone = models.CROP_FIELDS[modality]
    return {name: value for name, value in clip.items() if name not in gone}


def sees(*names):
    seen = [name in names for name in models.modalities("rgbd")]
    return jnp.tile(jnp.array(seen), (BATCH, 1))


def assert_same(a, b, atol=1e-5):
    np.testing.assert_allclose(a.xyz, b.xyz, atol=atol)
    np.testing.assert_allclose(a.confidence_logit, b.confidence_logit, atol=atol)


def test_every_modality_votes_and_the_whole_lies_between(net, clip):
    estimate = net(clip)
    assert estimate.xyz.shape == (BATCH, FRAMES, JOINTS, 3)
    assert set(estimate.parts) == {"points", "depth", "rgb"}
    parts = jnp.stack([part.xyz for part in estimate.parts.values()])
    assert float(jnp.abs(parts[0] - parts[1]).max()) > 1e-2
    low, high = parts.min(0) - 1e-5, parts.max(0) + 1e-5
    assert bool(((estimate.xyz >= low) & (estimate.xyz <= high)).all())


@pytest.mark.parametrize("modality", ["depth", "rgb"])
def test_every_image_modality_changes_the_prediction(net, clip, modality):
    name = "depth_crop" if modality == "depth" else "color_crop"
    other = net(clip, **{name: clip[name][::-1]})
    assert float(jnp.abs(other.xyz - net(clip).xyz).max()) > 1e-3


@pytest.mark.parametrize("modality", ["depth", "rgb"])
def test_masked_modalities_equal_missing_ones(net, clip, modality):
    left = [name for name in models.modalities("rgbd") if name != modality]
    absent = net(without(clip, modality))
    ignored = net(clip, modality_mask=sees(*left))
    assert_same(ignored, absent)
    assert set(absent.parts) == set(left)
    blank = {name: jnp.zeros_like(clip[name]) for name in models.CROP_FIELDS[modality]}
    assert_same(net(clip, **blank), absent)
    unsure = ignored.parts[modality].confidence_logit
    assert float(jax.nn.sigmoid(unsure).max()) < 1e-6


def test_masked_points_only_determine_the_centroid(net, clip):
    seen = sees("depth", "rgb")
    estimate = net(clip, modality_mask=seen)
    center = clip["points"].mean(axis=(1, 2), keepdims=True)
    turned = 2.0 * center - clip["points"]  # another cloud of the same centre
    assert_same(net(clip, modality_mask=seen, points=turned), estimate, atol=1e-4)
    assert float(jnp.abs(net(clip, points=turned).xyz - net(clip).xyz).max()) > 1e-3


def test_predictions_are_finite_if_all_inputs_are_missing(net, clip):
    nothing = {name: jnp.zeros_like(value) for name, value in clip.items()}
    estimate = net(nothing)
    assert bool(jnp.isfinite(estimate.xyz).all())
    blind = net(clip, modality_mask=sees())
    assert bool(jnp.isfinite(blind.xyz).all())


def test_joints_move_with_the_cloud_and_its_colour_camera(net, clip):
    move = jnp.array([0.4, -0.2, 0.7])
    pose = clip["cam_from_points"]
    shift = jnp.einsum("bij,j->bi", pose[:, :3, :3], move)
    seen = sees("points", "rgb")
    still = net(clip, modality_mask=seen)
    moved = net(
        clip,
        modality_mask=seen,
        points=clip["points"] + move.reshape(1, 1, 1, 3),
        cam_from_points=pose.at[:, :3, 3].add(-shift),
    )
    np.testing.assert_allclose(
        moved.xyz, still.xyz + move.reshape(1, 1, 1, 3), atol=2e-3
    )


def test_gradients_are_finite_without_images(clip, params):
    network = models.build(CONFIG, num_joints=JOINTS)
    blank = {
        name: jnp.zeros_like(clip[name])
        for group in models.CROP_FIELDS.values()
        for name in group
    }

    def loss(params):
        estimate = network.apply(params, **clip | blank)
        parts = [part.xyz.sum() for part in estimate.parts.values()]
        return estimate.xyz.sum() + sum(parts)

    gradients = jax.tree.leaves(jax.jit(jax.grad(loss))(params))
    assert all(bool(jnp.isfinite(g).all()) for g in gradients)


def test_image_features_are_sampled_at_the_projections_of_points():
    matrix = camera(0.2)
    shift = jnp.array([0.0, 0.0, 2.5])
    pixel_from_xyz = jnp.concatenate([matrix, (matrix @ shift)[:, None]], axis=1)
    xyz = jnp.array([[0.2, 0.1, 0.0], [0.1, -0.3, 0.4], [0.0, 0.0, -3.0]])
    uv = image_tokens.project(pixel_from_xyz[None], xyz[None])[0]
    seen = (xyz + shift[None]) @ matrix.T
    np.testing.assert_allclose(uv[:2], seen[:2, :2] / seen[:2, 2:], rtol=1e-5)
    assert np.isnan(uv[2]).all()  # behind the camera


def test_tokens_lie_on_their_rays_and_near_the_person():
    matrix = camera(0.2)
    center = jnp.array([0.2, -0.1, 2.5])
    pixel_from_xyz = jnp.concatenate([matrix, (matrix @ center)[:, None]], axis=1)
    uv = jnp.array([[4.0, 4.0], [16.0, 28.0]])
    places = image_tokens.nearest_points_on_rays(pixel_from_xyz[None], uv)
    back = image_tokens.project(pixel_from_xyz[None], places)
    np.testing.assert_allclose(back[0], uv, atol=1e-3)
    # A step along the ray, from the camera at -center, leads away from the origin.
    towards = places[0] + center[None]
    np.testing.assert_allclose((places[0] * towards).sum(-1), 0.0, atol=1e-5)


def test_unknown_fusion_raises_an_error():
    with pytest.raises(ValueError, match="unknown fusion 'sound'"):
        models.input_fields(CONFIG | {"fusion": "sound"})


def test_a_network_without_fusion_has_no_fusion_parameters(clip):
    """So weights that were saved without a fusion can be loaded."""
    plain = {name: clip[name] for name in models.POINT_FIELDS}
    settings = CONFIG | {"fusion": "none"}
    old = {k: settings[k] for k in settings if k not in ("backbone", "image_grid")}
    network = models.build(old, num_joints=JOINTS)
    params = jax.jit(network.init)(jax.random.key(1), **plain)
    assert not any("depth" in name or "rgb" in name for name in params["params"])
    assert jax.jit(network.apply)(params, **plain).parts is None
