"""Facts about the offsets between the joints of a network and those of a data set."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import models, skeleton
from unipose_jax.models import convention
from unipose_jax.physics import anthropometry
from unipose_jax.skeleton import body_offsets

BODY = skeleton.ITOP15
HEAD = convention.ConventionHead("ITOP15")
STANDING = anthropometry.standing_pose(BODY) + jnp.array([[0.2, 0.5, 3.0]])
ESTIMATE = models.PoseEstimate(
    xyz=STANDING[None, None], confidence_logit=jnp.zeros((1, 1, 15))
)
ZEROS = HEAD.init(jax.random.key(0), ESTIMATE)


def moved(offsets, xyz=STANDING):
    """Joints after offsets in metres, by the name of the joint."""
    table = np.zeros((15, 3), np.float32)
    for name, value in offsets.items():
        table[BODY.index(name)] = value
    params = {"params": {"offset": jnp.asarray(table), "skin": jnp.zeros(15)}}
    estimate = models.PoseEstimate(
        xyz=xyz[None, None], confidence_logit=jnp.zeros((1, 1, 15))
    )
    return HEAD.apply(params, estimate).xyz[0, 0]


def step(offsets, joint, xyz=STANDING):
    return np.asarray(moved(offsets, xyz) - xyz)[BODY.index(joint)]


def test_a_head_of_zeros_changes_nothing():
    found = HEAD.apply(ZEROS, ESTIMATE)
    np.testing.assert_array_equal(found.xyz, ESTIMATE.xyz)
    assert found.skin_shift.shape == (1, 1, 15)
    assert not found.skin_shift.any()


def test_offsets_are_right_down_and_forward_of_a_person_who_faces_the_camera():
    neck = step({"neck": (0.0, 0.06, 0.05)}, "neck")
    np.testing.assert_allclose(neck, [0.0, 0.06, -0.05], atol=1e-6)
    # The person's right is the camera's left.
    hip = step({"right_hip": (0.04, 0.0, 0.0)}, "right_hip")
    np.testing.assert_allclose(hip, [-0.02, 0.0, 0.0], atol=1e-6)


def test_turning_the_person_turns_the_offset():
    sine, cosine = np.sin(0.7), np.cos(0.7)
    turn = jnp.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    offsets = {"torso": (0.0, 0.02, 0.05), "left_shoulder": (0.02, -0.03, 0.04)}
    turned = moved(offsets, STANDING @ turn.T)
    np.testing.assert_allclose(turned, moved(offsets) @ turn.T, atol=1e-5)


def test_both_sides_mirror_each_other():
    offsets = {"right_shoulder": (0.04, 0.02, 0.06)}
    right, left = (step(offsets, f"{side}_shoulder") for side in ("right", "left"))
    np.testing.assert_allclose(left, right * [-1, 1, 1], atol=1e-6)
    assert abs(right).min() > 0.009
    # A joint of the middle stays there.
    np.testing.assert_allclose(step({"neck": (0.3, 0.0, 0.0)}, "neck"), 0, atol=1e-6)


@pytest.mark.parametrize(
    "joint", ["right_elbow", "left_hand", "left_knee", "left_foot"]
)
def test_joints_of_limbs_do_not_move_forward(joint):
    assert step({joint: (0.0, 0.0, 0.5)}, joint)[2] == pytest.approx(0.0, abs=1e-6)
    assert step({joint: (0.0, 0.1, 0.0)}, joint)[1] == pytest.approx(0.05, abs=1e-6)


def test_the_frame_of_the_body_takes_no_gradient():
    offset = jnp.full((15, 3), 0.05)

    def total(xyz):
        found = body_offsets.add_offsets(xyz, offset, skeleton=BODY)
        return (found * jnp.arange(45.0).reshape(15, 3)).sum()

    grad = jax.grad(total)(STANDING)
    np.testing.assert_allclose(grad, np.arange(45.0).reshape(15, 3), rtol=1e-5)


def test_terms_of_the_surface_give_the_offsets_no_gradient():
    def total(offset, name):
        params = {"params": {"offset": offset, "skin": jnp.zeros(15)}}
        return getattr(HEAD.apply(params, ESTIMATE), name).sum()

    offset = jnp.full((15, 3), 0.02)
    assert jnp.abs(jax.grad(total)(offset, "xyz")).max() > 0.5
    assert not jax.grad(total)(offset, "fixed_offset_xyz").any()
    assert total(offset, "xyz") == total(offset, "fixed_offset_xyz")


def test_parts_of_a_fusion_move_as_the_whole():
    part = models.PoseEstimate(
        xyz=ESTIMATE.xyz + 0.1, confidence_logit=jnp.zeros((1, 1, 15))
    )
    params = {"params": {"offset": jnp.full((15, 3), 0.02), "skin": jnp.zeros(15)}}
    whole = models.PoseEstimate(
        xyz=ESTIMATE.xyz, confidence_logit=jnp.zeros((1, 1, 15)), parts={"points": part}
    )
    found = HEAD.apply(params, whole)
    np.testing.assert_allclose(
        found.parts["points"].xyz - part.xyz, found.xyz - whole.xyz, atol=1e-5
    )


def test_the_point_network_moves_its_joints_by_the_head():
    config = {
        "name": "point_net",
        "num_patches": 4,
        "width": 8,
        "num_blocks": 1,
        "num_heads": 2,
        "dtype": "float32",
    }
    clip = {
        "points": jax.random.normal(jax.random.key(0), (1, 1, 16, 3)),
        "points_valid": jnp.ones((1, 1, 16), bool),
        "time": jnp.zeros((1, 1)),
    }
    plain = models.build(config, num_joints=15)
    headed = models.build(config | {"convention_head": "ITOP15"}, num_joints=15)
    params = jax.jit(headed.init)(jax.random.key(1), **clip)
    apply = jax.jit(headed.apply)
    before = jax.jit(plain.apply)(params, **clip)
    np.testing.assert_array_equal(apply(params, **clip).xyz, before.xyz)
    params["params"]["convention"]["offset"] = jnp.full((15, 3), 0.1)
    assert jnp.abs(apply(params, **clip).xyz - before.xyz).max() > 0.05
