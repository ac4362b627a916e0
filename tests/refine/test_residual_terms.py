"""Residuals whose slopes are computed once, and not by the solver's differentiation."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.physics import constraints
from unipose_jax.refine import observations, residual_terms
from unipose_jax.skeleton import kinematics

BODY = skeleton.ITOP15
FRAMES = 8


def draw(seed):
    size = (FRAMES, 15, 3)
    return np.random.default_rng(seed).normal(size=size).astype(np.float32)


XYZ, CHANGE = 0.3 * draw(0) + np.float32([0.2, 0.1, 3.0]), draw(1)


@pytest.mark.parametrize("name", ["hyperextension", "hyperflexion"])
def test_hinges_have_the_values_and_slopes_of_the_constraint(name):
    def expected(xyz):
        return getattr(constraints, name)(xyz, skeleton=BODY)

    def found(xyz):
        residual, _ = residual_terms._hinges(xyz, None, BODY)[name]
        return residual[..., 0] * residual_terms.JOINT_LIMIT_STD

    value, slope = jax.jvp(jax.jit(expected), (XYZ,), (CHANGE,))
    found_value, found_slope = jax.jvp(jax.jit(found), (XYZ,), (CHANGE,))
    assert (np.abs(slope) > 0.1).any(axis=0).sum() > 1  # of several hinges
    np.testing.assert_allclose(found_value, value, atol=1e-5)
    np.testing.assert_allclose(found_slope, slope, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*skeleton.NAMES, *skeleton.TRACKERS])
def test_no_joint_belongs_to_two_hinges(name):
    hinges = kinematics.hinges(skeleton.by_name(name))
    joints = [joint for _, *joints in hinges for joint in joints]
    assert len(joints) == len(set(joints))


def test_rays_have_the_slopes_of_pixels_at_a_constant_depth():
    focal, centre = np.array([300.0, 280.0]), np.array([160.0, 120.0])
    cam_from_xyz = np.eye(4)
    cam_from_xyz[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    turn = np.eye(4)
    turn[np.ix_([0, 2], [0, 2])] = [[0.96, 0.28], [-0.28, 0.96]]
    cam_from_xyz = turn @ cam_from_xyz
    cam_from_xyz[:3, 3] = [0.1, 0.0, 0.5]
    uv = np.random.default_rng(2).uniform((0, 0), (320, 240), (FRAMES, 15, 2))
    seen = observations.Keypoints(
        uv=jnp.asarray(uv, jnp.float32),
        confidence=jnp.ones((FRAMES, 15)),
        intrinsics=jnp.asarray([*focal, *centre], jnp.float32),
        cam_from_xyz=jnp.asarray(cam_from_xyz, jnp.float32),
    )
    problem = types.SimpleNamespace(keypoints=seen, uv_noise=jnp.ones(15))

    def in_camera(xyz):
        return xyz @ cam_from_xyz[:3, :3].T + cam_from_xyz[:3, 3]

    def pixels(xyz, depth):
        place = in_camera(xyz)
        return (focal * place[..., :2] - (uv - centre) * place[..., 2:]) / depth

    depth = in_camera(XYZ)[..., 2:]
    expected = pixels(XYZ, depth), pixels(XYZ + CHANGE, depth) - pixels(XYZ, depth)
    found = jax.jvp(
        jax.jit(lambda xyz: residual_terms._keypoints(xyz, problem, BODY)["ray"][0]),
        (XYZ,),
        (CHANGE,),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)
