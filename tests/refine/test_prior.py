import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipelines.ground import pose_file
from unipose_jax import errors, skeleton
from unipose_jax.cli import refine as refine_mode
from unipose_jax.models import pose_prior
from unipose_jax.physics import anthropometry
from unipose_jax.refine import prior
from unipose_jax.weights import store

FRAMES = 12
TIME = jnp.arange(FRAMES) / 15.0


@functools.cache
def untrained():
    module = pose_prior.PosePrior(width=8, depth=2)
    body = jnp.zeros((FRAMES, 31, 3))
    params = jax.jit(module.init)(
        jax.random.key(0), body, body[..., 0] == 0.0, TIME, jnp.zeros(FRAMES, jnp.int32)
    )
    return prior.Network(params["params"], calibration=1.0, width=8, depth=2)


def standing(skel):
    pose = jnp.asarray(anthropometry.standing_pose(skel))
    return jnp.broadcast_to(pose, (FRAMES, *pose.shape))


@functools.partial(jax.jit, static_argnames=("skeleton",))
def predict(network, xyz, confidence, *, skeleton):
    return prior.predict(network, xyz, confidence, TIME, skeleton=skeleton)


@pytest.mark.parametrize(
    "skel", [skeleton.ITOP15, skeleton.COCO17], ids=lambda s: s.name
)
def test_every_joint_of_body_has_a_mean_and_a_deviation(skel):
    xyz = standing(skel)
    mean, deviation = predict(untrained(), xyz, jnp.ones(xyz.shape[:2]), skeleton=skel)
    assert mean.shape == xyz.shape
    assert np.isfinite(mean).all()
    assert ((deviation > 0.0) & (deviation < 1.0)).all()


def test_joints_that_body_lacks_have_no_deviation():
    skel = skeleton.by_name("ZED34")
    lacking = [name not in skeleton.BODY.joints for name in skel.joints]
    xyz = jnp.zeros((FRAMES, skel.num_joints, 3))
    _, deviation = predict(untrained(), xyz, jnp.ones(xyz.shape[:2]), skeleton=skel)
    assert any(lacking)
    np.testing.assert_array_equal(np.isinf(deviation[0]), lacking)


def test_lost_joints_are_ignored_whatever_they_hold():
    xyz = standing(skeleton.ITOP15)
    lost = jnp.ones(xyz.shape[:2]).at[4:7, 6].set(0.0)
    found = [
        predict(untrained(), xyz.at[4:7, 6].set(value), lost, skeleton=skeleton.ITOP15)[
            0
        ]
        for value in (3.0, jnp.nan)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.isfinite(found[0]).all()


def test_calibration_multiplies_deviations():
    xyz = standing(skeleton.ITOP15)
    found = [
        predict(
            dataclasses.replace(untrained(), calibration=calibration),
            xyz,
            jnp.ones(xyz.shape[:2]),
            skeleton=skeleton.ITOP15,
        )[1]
        for calibration in (1.0, 1.5)
    ]
    np.testing.assert_allclose(found[1], 1.5 * found[0], rtol=1e-6)


def test_weights_are_read_as_they_were_written(tmp_path):
    meta = {"width": 8, "depth": 2, "calibration": 1.25}
    store.save(tmp_path / "mine", untrained().params, meta)
    network = prior.load(tmp_path / "mine")
    assert (network.width, network.depth, network.calibration) == (8, 2, 1.25)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-7),
        network.params,
        untrained().params,
    )


@pytest.fixture
def poses():
    xyz = np.asarray(standing(skeleton.ITOP15)) + np.float32([0.0, 0.0, 2.5])
    confidence = np.ones(xyz.shape[:2], np.float32)
    time = np.asarray(TIME, np.float64)
    return pose_file.PoseFile(
        xyz=xyz, confidence=confidence, skeleton="ITOP15", time=time
    )


@pytest.fixture
def given(monkeypatch):
    """The priors that the solver is given."""
    found = []

    def solve(xyz, *, skeleton, prior, **others):
        found.append(prior)
        return xyz

    monkeypatch.setattr(refine_mode.padding, "refine", solve)
    return found


def test_the_command_uses_the_weights_it_is_given(poses, given, tmp_path):
    store.save(tmp_path / "mine", untrained().params, {"width": 8, "depth": 2})
    refine_mode.refine_poses(poses, prior=str(tmp_path / "mine"))
    refine_mode.refine_poses(poses, prior="none")
    assert given[0].prior_xyz.shape == poses.xyz.shape
    assert given[1] is None


def test_weights_that_do_not_exist_are_refused(poses):
    with pytest.raises(errors.BadInput, match=r"--prior: no weights .*nowhere\.npz"):
        refine_mode.refine_poses(poses, prior="nowhere")
