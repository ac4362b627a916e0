"""The calibrated confidence of joints."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import calibrate
from unipose_jax import estimator, pose_quality, skeleton
from unipose_jax.physics import anthropometry

SKELETON = skeleton.ITOP15
PERSON = np.asarray(anthropometry.standing_pose(SKELETON)) + [0.0, 0.0, 3.0]
RNG = np.random.default_rng(0)
ON_PERSON = PERSON[RNG.integers(0, 15, 300)] + RNG.normal(0.0, 0.03, (300, 3))
BOX = RNG.uniform(-0.6, 0.6, (300, 3)) + [0.0, 0.0, 3.0]


def probability(points, confidence=0.5, xyz=PERSON):
    weights = estimator.load_shipped().calibration
    return np.asarray(
        pose_quality.joint_probability(
            jnp.asarray(xyz),
            jnp.full(15, confidence),
            jnp.asarray(points),
            skeleton=SKELETON,
            weights=weights,
        )
    )


def test_points_that_the_body_explains_raise_the_probability():
    assert probability(ON_PERSON).min() > 0.5
    assert probability(BOX).max() < 0.2


def test_probability_increases_with_the_confidence_of_the_network():
    low, high = probability(ON_PERSON, 0.2), probability(ON_PERSON, 0.4)
    assert (low < high).all()


def test_joints_without_points_nearby_are_less_probable():
    upper = ON_PERSON[ON_PERSON[:, 1] < 0.0]
    foot = SKELETON.joints.index("right_foot")
    assert probability(upper)[foot] < probability(ON_PERSON)[foot]


def test_features_have_finite_gradients():
    def total(xyz):
        values = pose_quality.features(
            xyz, jnp.full(15, 0.5), jnp.asarray(ON_PERSON), skeleton=SKELETON
        )
        return values.sum()

    assert np.isfinite(jax.grad(total)(jnp.asarray(PERSON))).all()


def test_the_fit_finds_the_weights_that_made_the_labels():
    rng = np.random.default_rng(0)
    values = np.concatenate([np.ones((4000, 1)), rng.normal(size=(4000, 2))], axis=1)
    true = np.array([0.5, 2.0, -1.0])
    right = rng.random(4000) < 1.0 / (1.0 + np.exp(-values @ true))
    found = calibrate.fit(values.astype(np.float32), right, np.ones(4000, np.float32))
    np.testing.assert_allclose(found, true, atol=0.2)


def test_an_estimator_without_calibration_returns_the_confidence_of_its_network():
    network = estimator.Estimator({}, {}, "ITOP15", 3, 64)
    confidence = np.linspace(0.1, 0.9, 15)
    np.testing.assert_array_equal(
        network.calibrated(PERSON, confidence, ON_PERSON), confidence
    )
