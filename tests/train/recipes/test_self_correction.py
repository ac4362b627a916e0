"""Correction at test time against a plain loop over samples and steps."""

import operator

import chex
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from unipose_jax import models, skeleton
from unipose_jax.train.recipes import self_correction

SKELETON = skeleton.HUMANEVA15
NETWORK = models.PoseMachine(num_joints=15, core="convolutions", width=8, hidden=8)
STEPS, RATE = 3, 1e-3


def settings(**changes):
    config = {"kind": "rays", "steps": STEPS, "learning_rate": RATE}
    config |= {"bone_weight": 0.1, "flip_test": False}
    return ml_collections.ConfigDict(config | changes)


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    uv = rng.normal([300, 250], [40, 90], (2, 3, 15, 2)).astype(np.float32)
    confidence = np.ones((2, 3, 15), np.float32)
    confidence[0, 1, 4] = 0.0
    intrinsics = np.array([[700, 710, 320, 240]] * 2, np.float32)
    found = {"uv": uv, "confidence": confidence, "intrinsics": intrinsics}
    return {name: jnp.asarray(value) for name, value in found.items()}


@pytest.fixture(scope="module")
def params(inputs):
    return jax.jit(NETWORK.init)(jax.random.key(0), **inputs)


def plain_adam(weights, gradient, moments, step):
    """Kingma and Ba, ICLR 2015, algorithm 1."""
    first, second = moments
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, second, gradient)
    weights = jax.tree.map(
        lambda w, m, v: (
            w - RATE * (m / (1 - 0.9**step)) / (jnp.sqrt(v / (1 - 0.999**step)) + 1e-8)
        ),
        weights,
        first,
        second,
    )
    return weights, (first, second)


def plain_loop(params, inputs, config):
    """Sample after sample, with the trained weights put back before each."""

    @jax.jit
    def forward(weights, alone):
        used = {"params": params["params"] | {"correction": weights}}
        return NETWORK.apply(used, **alone)

    @jax.jit
    @jax.grad
    def gradient(weights, alone):
        estimate = jax.tree.map(operator.itemgetter(0), forward(weights, alone))
        return self_correction.consistency_loss(
            estimate.lift, alone["confidence"][0], config, SKELETON
        )

    poses = []
    for sample in range(len(inputs["uv"])):
        alone = {name: value[sample : sample + 1] for name, value in inputs.items()}
        current = params["params"]["correction"]
        moments = (jax.tree.map(jnp.zeros_like, current),) * 2
        for step in range(1, config.steps + 1):
            slope = gradient(current, alone)
            current, moments = plain_adam(current, slope, moments, step)
        poses.append(forward(current, alone).xyz[0])
    return np.stack(poses)


@pytest.mark.parametrize("kind", self_correction.KINDS)
def test_update_equals_a_plain_loop_with_restored_weights(params, inputs, kind):
    config = settings(kind=kind)
    stored = jax.tree.map(np.array, params)
    found = jax.jit(self_correction.make_corrected_apply(NETWORK, config, SKELETON))(
        params, **inputs
    )
    np.testing.assert_allclose(found.xyz, plain_loop(params, inputs, config), atol=1e-4)
    chex.assert_trees_all_equal(jax.tree.map(np.array, params), stored)
    untouched = jax.jit(NETWORK.apply)(params, **inputs)
    assert np.abs(found.xyz - untouched.xyz).max() > 1e-3


def test_only_the_correction_moves_and_steps_lower_its_loss(params, inputs):
    config = settings(bones=0.0)
    every = jax.jit(self_correction.make_correction_steps(NETWORK, config, SKELETON))(
        params, **inputs
    )
    untouched = jax.jit(NETWORK.apply)(params, **inputs)
    np.testing.assert_allclose(every.xyz[:, 0], untouched.xyz, atol=1e-5)
    for step in range(STEPS + 1):
        np.testing.assert_allclose(
            every.lift.coarse_xyz[:, step], untouched.lift.coarse_xyz, atol=1e-5
        )
    error = np.square(every.lift.camera_projection - every.lift.observed).sum(-1)
    error = (error * inputs["confidence"][:, None]).sum((0, 2, 3))
    assert (np.diff(error) < 0).all()


def test_a_mirror_shows_pictures_as_it_shows_keypoints(inputs):
    rng = np.random.default_rng(1)
    crops = jnp.asarray(rng.integers(0, 256, (2, 3, 16, 16, 3)).astype(np.uint8))
    # P: where the crop lies, in units of (x / z, y / z, 1).
    matrix = np.array([[30.0, 2.0, 9.0], [-1.0, 28.0, 7.0], [0.0, 0.0, 1.0]])
    matrices = jnp.broadcast_to(jnp.asarray(matrix, jnp.float32), (2, 3, 3, 3))
    inputs = inputs | {"color_crop": crops, "color_crop_matrix": matrices}
    other = self_correction._mirror_inputs(inputs, SKELETON)
    np.testing.assert_array_equal(other["color_crop"][..., 0, :], crops[..., 15, :])
    # Somebody at x is at -x in the mirror, where u is as far from the other side.
    x, y = 0.2, -0.1
    u, v, _ = matrix @ [x, y, 1.0]
    seen = np.asarray(other["color_crop_matrix"][1, 2]) @ [-x, y, 1.0]
    np.testing.assert_allclose(seen, [16.0 - u, v, 1.0], rtol=1e-5)


def test_mirror_images_are_corrected_to_mirror_images(params, inputs):
    config = settings(flip_test=True, steps=0)
    apply = jax.jit(self_correction.make_corrected_apply(NETWORK, config, SKELETON))
    center = inputs["intrinsics"][:, None, None, 2]
    uv, swapped = inputs["uv"], jnp.array(SKELETON.mirror)
    flipped = jnp.stack([2 * center - uv[..., 0], uv[..., 1]], -1)[:, :, swapped]
    confidence = inputs["confidence"][:, :, swapped]
    other = apply(params, **inputs | {"uv": flipped, "confidence": confidence})
    mirrored = np.asarray(other.lift.coarse_xyz[:, :, swapped]) * [-1, 1, 1]
    np.testing.assert_allclose(
        mirrored, apply(params, **inputs).lift.coarse_xyz, atol=1e-4
    )
