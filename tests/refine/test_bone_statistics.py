import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.refine import bone_statistics

BODY = skeleton.ITOP15
NOISE = 0.06  # metres per coordinate of each joint


@pytest.mark.parametrize("person_scale", [1.0, 0.5])
def test_noise_does_not_lengthen_bones(person, person_scale):
    """Each difference of two joints has 8.5 cm of noise, bones 8 to 48 cm."""
    still = np.repeat(person_scale * person[:1], 1000, axis=0)
    rng = np.random.default_rng(0)
    noisy = still + NOISE * rng.normal(size=still.shape)
    child, parent = BODY.bone_ends
    true = np.linalg.norm(still[0, child] - still[0, parent], axis=-1)
    lengths = {}
    for name, error in {"biased": None, "unbiased": jnp.full(15, NOISE)}.items():
        found = bone_statistics.estimate_lengths(
            jnp.asarray(noisy, jnp.float32),
            valid=jnp.ones(noisy.shape[:2], bool),
            person=jnp.zeros(len(noisy), jnp.int32),
            noise=jnp.full(15, NOISE),
            skeleton=BODY,
            error=error,
        )
        lengths[name] = np.asarray(found.length[0])
    assert np.abs(lengths["biased"] - true).max() > 0.025
    # The standard error of a median is 3.4 mm; noise of short bones has c up to 2.4.
    np.testing.assert_allclose(lengths["unbiased"], true, atol=0.016)


def test_exact_lengths_have_no_bias():
    length = jnp.array([0.1, 0.3])
    unbiased = bone_statistics.without_bias(length, jnp.zeros(2))
    np.testing.assert_allclose(unbiased, length, rtol=1e-6)


def test_hand_computed_bias():
    variance = jnp.array([0.00125, 1.0])  # 0.13^2 - 2 0.00125 = 0.12^2
    found = bone_statistics.without_bias(jnp.array([0.13, 0.1]), variance)
    np.testing.assert_allclose(found, [0.12, 0.05], rtol=1e-5)


def test_lasting_errors_lengthen_bones_without_varying_them(person):
    still, error = np.repeat(person[:1], 10, axis=0), 0.01
    found = bone_statistics.estimate_lengths(
        jnp.asarray(still),
        valid=jnp.ones(still.shape[:2], bool),
        person=jnp.zeros(10, jnp.int32),
        noise=jnp.zeros(15),
        skeleton=BODY,
        error=jnp.full(15, error),
    )
    child, parent = BODY.bone_ends
    seen = np.linalg.norm(still[0, child] - still[0, parent], axis=-1)
    # Both ends have the error.
    expected = np.sqrt(seen**2 - 2 * 2 * error**2)
    np.testing.assert_allclose(found.length[0], expected, atol=1e-4)
