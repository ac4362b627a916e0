import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.physics import anthropometry, skin_depths

BODY = skeleton.ITOP15


def of(joint, convention):
    return float(skin_depths.typical(BODY, convention=convention)[BODY.index(joint)])


def test_anatomy_is_the_default_and_reads_no_labels():
    for skel in (BODY, skeleton.COCO17, skeleton.NTU25):
        np.testing.assert_array_equal(
            skin_depths.typical(skel), anthropometry.skin_depths(skel)
        )
        np.testing.assert_array_equal(
            skin_depths.least(skel), anthropometry.min_skin_depths(skel)
        )


def test_joints_of_itop_lie_closer_to_the_skin_than_those_of_anatomy():
    assert of("neck", "ITOP") == pytest.approx(0.045)
    for joint in ("neck", "right_shoulder", "left_elbow", "torso", "left_hip"):
        assert of(joint, "ITOP") < of(joint, "anatomy")


@pytest.mark.parametrize("convention", skin_depths.CONVENTIONS)
def test_a_convention_is_the_same_on_both_sides_and_below_the_skin(convention):
    typical = np.asarray(skin_depths.typical(BODY, convention=convention))
    np.testing.assert_array_equal(typical, typical[list(BODY.mirror)])
    least = np.asarray(skin_depths.least(BODY, convention=convention))
    assert (least > 0).all()
    assert (least < typical).all()


def test_a_convention_that_does_not_know_a_joint_says_which():
    with pytest.raises(ValueError, match="ITOP has no skin depth for ankle, ear, eye"):
        skin_depths.typical(skeleton.COCO17, convention="ITOP")


@pytest.mark.parametrize("call", [skin_depths.typical, skin_depths.least])
def test_an_unknown_convention_lists_the_known_ones(call):
    with pytest.raises(ValueError, match="unknown convention 'itop'.*anatomy, ITOP"):
        call(BODY, convention="itop")


def test_converted_joints_keep_their_pixels_and_differ_in_depth():
    xyz = np.random.default_rng(0).uniform(0.5, 3.0, (4, 15, 3))
    moved = skin_depths.convert(xyz, skeleton="ITOP15", target="ITOP")
    depth = skin_depths.typical("ITOP15", convention="ITOP") - skin_depths.typical(
        "ITOP15"
    )
    np.testing.assert_allclose(
        moved[..., 2] - xyz[..., 2], np.broadcast_to(depth, (4, 15)), atol=1e-5
    )
    np.testing.assert_allclose(
        moved[..., :2] / moved[..., 2:], xyz[..., :2] / xyz[..., 2:], atol=1e-5
    )
    back = skin_depths.convert(
        moved, skeleton="ITOP15", source="ITOP", target="anatomy"
    )
    np.testing.assert_allclose(back, xyz, atol=1e-5)
