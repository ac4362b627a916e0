import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.perspective import people
from unipose_jax import skeleton
from unipose_jax.perspective import apparent_size

SEGMENTS = apparent_size.limb_segments(skeleton.COCO17)
sizes = jax.jit(functools.partial(apparent_size.apparent_sizes, segments=SEGMENTS))
ALL = jnp.ones(17)


@pytest.mark.parametrize("scale", [20.0, 300.0])
def test_a_standing_person_has_the_size_of_the_figure(scale):
    found = sizes(people.standing(scale), confidence=ALL)
    np.testing.assert_allclose(np.exp(found.log_size), scale, rtol=1e-4)
    assert found.known


def test_size_is_invariant_to_flips_and_shifts_and_follows_scale():
    uv = people.standing(50.0, u=40.0, floor=90.0)
    uv = uv + jax.random.normal(jax.random.key(0), uv.shape)
    first = sizes(uv, confidence=ALL)
    for changed in (people.mirrored(uv, 128.0), uv + 7.0):
        chex.assert_trees_all_close(sizes(changed, confidence=ALL), first, atol=1e-5)
    doubled = sizes(2.0 * uv, confidence=ALL).log_size
    np.testing.assert_allclose(doubled, first.log_size + np.log(2.0), rtol=1e-5)


def test_limbs_that_point_at_the_camera_hardly_change_the_size():
    uv = people.standing(50.0)
    for side in ("left", "right"):
        shoulder, elbow, wrist = (
            skeleton.COCO17.index(f"{side}_{j}") for j in ("shoulder", "elbow", "wrist")
        )
        uv = uv.at[jnp.array([elbow, wrist])].set(uv[shoulder] + 0.1)
    found = sizes(uv, confidence=ALL)
    np.testing.assert_allclose(np.exp(found.log_size), 50.0, rtol=0.02)


def test_one_keypoint_far_away_hardly_changes_the_size():
    wrist = skeleton.COCO17.index("left_wrist")
    uv = people.standing(50.0).at[wrist].add(200.0)
    found = sizes(uv, confidence=ALL)
    np.testing.assert_allclose(np.exp(found.log_size), 50.0, rtol=0.02)


LEG = ("left_hip", "left_knee", "left_ankle")
BOTH_LEGS = (*LEG, *(name.replace("left", "right") for name in LEG))


@pytest.mark.parametrize(
    ("names", "known"),
    [
        ((), False),
        (("nose", "left_eye", "left_ear"), False),
        (LEG, False),  # two segments
        (BOTH_LEGS, True),
        (("left_shoulder", "right_shoulder", "left_hip"), False),
        (("left_shoulder", "right_shoulder", "left_hip", "right_hip"), True),
    ],
)
def test_people_of_few_visible_joints_have_no_size(names, known):
    found = sizes(people.standing(50.0), confidence=people.only(*names))
    assert bool(found.known) == known
    assert found.log_size == 0.0 or known


def test_fewer_kinds_of_segments_are_less_certain():
    uv = people.standing(50.0)
    spreads = [
        sizes(uv, confidence=people.only(*names)).std
        for names in (LEG, (*LEG, "left_shoulder"), skeleton.COCO17.joints)
    ]
    assert spreads[0] > spreads[1] > spreads[2]


def test_unseen_keypoints_change_nothing_even_if_nan():
    confidence = people.only(*BOTH_LEGS)
    clean = people.standing(50.0)
    dirty = jnp.where(confidence[:, None] > 0, clean, jnp.nan)
    found = sizes(dirty, confidence=confidence)
    chex.assert_trees_all_equal(found, sizes(clean, confidence=confidence))


def test_batches_are_what_single_people_are():
    uv = jnp.stack([people.standing(s) for s in (20.0, 40.0, 60.0)]).reshape(
        3, 1, 17, 2
    )
    confidence = jnp.ones((3, 1, 17))
    whole = sizes(uv, confidence=confidence)
    mapped = jax.vmap(lambda u, c: sizes(u, confidence=c))(uv, confidence)
    chex.assert_trees_all_close(whole, mapped)


@pytest.mark.parametrize("name", ["COCO17", "ITOP15", "PANOPTIC19", "H36M17", "NTU25"])
def test_every_skeleton_has_segments_on_both_sides(name):
    segments = apparent_size.limb_segments(skeleton.by_name(name))
    assert len(segments.lengths) == 11
    assert (segments.lengths > 0.2).all()
    assert (segments.lengths < 0.6).all()


def test_a_skeleton_without_segments_is_refused():
    head = skeleton.Skeleton("head", ("nose", "left_eye"), (-1, 0))
    with pytest.raises(ValueError, match="too few segments"):
        apparent_size.limb_segments(head)
