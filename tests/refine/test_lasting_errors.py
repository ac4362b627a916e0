import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import refine, skeleton
from unipose_jax.geometry import camera
from unipose_jax.refine import lasting_errors, residual_terms

BODY = skeleton.ITOP15
INTRINSICS = jnp.array([285.7, 285.7, 160.0, 120.0])


def lasting(shape, *, correlation, seed):
    """AR(1) errors of unit variance along the first axis."""
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=shape)
    for frame in range(1, len(errors)):
        errors[frame] *= np.sqrt(1.0 - correlation**2)
        errors[frame] += correlation * errors[frame - 1]
    return errors


def keypoints_of(xyz, *, pixels=0.0, seed=0):
    noise = pixels * np.random.default_rng(seed).normal(size=(*xyz.shape[:2], 2))
    uv = camera.uv_from_xyz(jnp.asarray(xyz), INTRINSICS)
    confidence = jnp.ones(xyz.shape[:2])
    return refine.Keypoints(
        uv + jnp.asarray(noise, jnp.float32), confidence, INTRINSICS, jnp.eye(4)
    )


@jax.jit
def levels_of(xyz, keypoints):
    frames = len(xyz)
    return lasting_errors.from_keypoints(
        xyz.astype(jnp.float32),
        keypoints=keypoints,
        valid=jnp.ones((frames, 15), bool),
        segment=jnp.zeros(frames, jnp.int32),
        noise=jnp.full(15, 0.005),
        uv_noise=jnp.full(15, 3.0),
        skeleton=BODY,
    )


@pytest.fixture(scope="module")
def long_track(person):
    return np.tile(person, (20, 1, 1))


def test_errors_of_joints_and_keypoints_are_separated(long_track):
    errors = 0.04 * lasting(long_track.shape, correlation=0.8, seed=1)
    found = levels_of(long_track + errors, keypoints_of(long_track, pixels=3.0))
    # 1,200 frames, of which about 130 are independent.
    np.testing.assert_allclose(np.median(found.noise), 0.04, rtol=0.15)
    np.testing.assert_allclose(np.median(found.uv_noise), 3.0, rtol=0.15)
    np.testing.assert_allclose(np.median(found.correlation), 0.8, atol=0.1)
    # The variation of bone lengths bounds the errors of the joints only roughly.
    np.testing.assert_allclose(np.median(found.uv_correlation), 0.0, atol=0.15)


def test_lasting_errors_beyond_those_of_bones_belong_to_the_keypoints(long_track):
    wrong = keypoints_of(long_track)
    errors = 5.0 * lasting(wrong.uv.shape, correlation=0.8, seed=2)
    wrong = refine.Keypoints(
        wrong.uv + jnp.asarray(errors, jnp.float32),
        wrong.confidence,
        INTRINSICS,
        jnp.eye(4),
    )
    found = levels_of(long_track, wrong)
    np.testing.assert_allclose(np.median(found.noise), 0.005, atol=1e-4)
    np.testing.assert_allclose(np.median(found.uv_noise), 5.0, rtol=0.15)
    np.testing.assert_allclose(np.median(found.uv_correlation), 0.8, atol=0.1)


def test_few_keypoints_leave_the_levels_as_they_were(person):
    few = keypoints_of(person[:8])
    found = levels_of(person[:8], few)
    np.testing.assert_array_equal(found.noise, jnp.full(15, 0.005))
    np.testing.assert_array_equal(found.uv_noise, jnp.full(15, 3.0))
    np.testing.assert_array_equal(found.correlation, 0.0)


def test_keypoints_of_confidence_0_have_no_effect(person):
    seen = keypoints_of(person, pixels=2.0)
    confidence = seen.confidence.at[::3].set(0.0)
    hidden = [
        refine.Keypoints(uv, confidence, INTRINSICS, jnp.eye(4))
        for uv in (seen.uv, seen.uv.at[::3].set(jnp.nan))
    ]
    one, other = (levels_of(person + 0.01, keypoints) for keypoints in hidden)
    chex.assert_trees_all_equal(one, other)


def test_rigid_bones_bound_the_error_by_zero(person):
    bound = lasting_errors.bone_variance(
        jnp.asarray(person),
        valid=jnp.ones((60, 15), bool),
        segment=jnp.zeros(60, jnp.int32),
        share=jnp.ones(15),
        skeleton=BODY,
    )
    np.testing.assert_allclose(bound, 0.0, atol=1e-8)


def test_variance_of_a_bone_is_divided_between_its_joints(person):
    """Only the left foot is noisy: the knee has the small share that it is given."""
    person = np.tile(person, (10, 1, 1))
    foot, knee = BODY.index("left_foot"), BODY.index("left_knee")
    noise = 0.03 * np.random.default_rng(0).normal(size=(600, 3))
    person[:, foot] += noise.astype(np.float32)
    bound = lasting_errors.bone_variance(
        jnp.asarray(person),
        valid=jnp.ones((600, 15), bool),
        segment=jnp.zeros(600, jnp.int32),
        share=jnp.full(15, 0.01).at[foot].set(0.99),
        skeleton=BODY,
    )
    # The standard error of this variance is 8 % for 600 frames.
    np.testing.assert_allclose(bound[foot], 0.99 * 0.03**2, rtol=0.25)
    # Half, for its other bone is rigid.
    np.testing.assert_allclose(bound[knee], 0.5 * 0.01 * 0.03**2, rtol=0.25)


def test_correlation_decays_over_time_and_ends_at_cuts_and_gaps():
    time = jnp.array([0.0, 0.1, 0.3, 0.4, 0.5])
    valid = jnp.array([True, True, True, True, False])[:, None]
    found = lasting_errors.at_frames(
        jnp.array([0.8]),
        valid=valid,
        segment=jnp.array([0, 0, 0, 1, 1]),
        time=time,
        step=jnp.float32(0.1),
    )
    np.testing.assert_allclose(found[:, 0], [0.0, 0.8, 0.64, 0.0, 0.0], rtol=1e-5)


def test_fused_joints_lie_on_exact_rays_at_their_depth(person):
    observed = jnp.asarray(person + np.float32([0.05, -0.03, 0.1]))
    keypoints = keypoints_of(person)
    fused = lasting_errors.fuse(
        observed,
        keypoints=keypoints,
        valid=jnp.ones((60, 15), bool),
        noise=jnp.full(15, 0.03),
        uv_noise=jnp.full(15, 1e-3),
    )
    np.testing.assert_allclose(
        camera.uv_from_xyz(fused, INTRINSICS), keypoints.uv, atol=1e-2
    )
    np.testing.assert_allclose(fused[..., 2], observed[..., 2], atol=1e-6)


def test_joints_are_fused_by_inverse_variances(person):
    truth = person.copy()
    truth[..., 2] = 2.0
    shift = np.float32([0.05, -0.03, 0.0])
    fused = lasting_errors.fuse(
        jnp.asarray(truth + shift),
        keypoints=keypoints_of(truth),
        valid=jnp.ones((60, 15), bool),
        noise=jnp.full(15, 0.03),
        uv_noise=jnp.full(15, 0.015 * 285.7 / 2.0),  # 15 mm at 2 m
    )
    # 30 mm against 15 mm: the keypoint has a weight of 0.8.
    left = 0.2 * np.broadcast_to(shift, truth.shape)
    np.testing.assert_allclose(fused - truth, left, atol=1e-5)


def test_innovations_of_a_decaying_error_are_zero():
    """An error that decays by its correlation has no new part."""
    error = jnp.asarray(0.8 ** np.arange(6.0), jnp.float32)[:, None, None]
    error = jnp.broadcast_to(error, (6, 1, 3))
    correlation = jnp.full((6, 1), 0.8)
    fresh = residual_terms.innovations(error, jnp.zeros((6, 1)), correlation)
    np.testing.assert_allclose(fresh[0], error[0])
    np.testing.assert_allclose(fresh[1:], 0.0, atol=1e-6)


def test_innovations_have_the_likelihood_of_correlated_errors():
    error = np.random.default_rng(0).normal(size=(5, 1, 1))
    apart = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    expected = error[:, 0, 0] @ np.linalg.inv(0.6**apart) @ error[:, 0, 0]
    fresh = residual_terms.innovations(
        jnp.asarray(error), jnp.zeros((5, 1)), jnp.full((5, 1), 0.6)
    )
    np.testing.assert_allclose(np.sum(np.square(fresh)), expected, rtol=1e-5)


def test_an_outlier_predicts_nothing():
    error = jnp.zeros((3, 1, 3)).at[1].set(50.0)
    far = jnp.sum(error**2, axis=-1)
    fresh = residual_terms.innovations(error, far, jnp.full((3, 1), 0.8))
    np.testing.assert_allclose(fresh, error, atol=0.5)
