import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.perspective import people
from unipose_jax import skeleton
from unipose_jax.perspective import apparent_size, order

SEGMENTS = apparent_size.limb_segments(skeleton.COCO17)
Reason = order.Reason


@functools.partial(jax.jit, static_argnames="margin")
def ordered(uv, confidence, margin=1.3):
    sizes = apparent_size.apparent_sizes(uv, confidence=confidence, segments=SEGMENTS)
    feet, known = order.lower_foot_row(
        uv, confidence=confidence, skeleton=skeleton.COCO17
    )
    return order.order_people(sizes, margin=margin, feet=feet, feet_known=known)


def scene(scales, floors):
    uv = [people.standing(s, floor=f) for s, f in zip(scales, floors, strict=True)]
    return jnp.stack(uv), jnp.ones((len(scales), 17))


def crowd(seed, count=5):
    """People of random size, place and visibility."""
    rng = np.random.default_rng(seed)
    scales = rng.uniform(20, 60, count)
    uv, _ = scene(scales.tolist(), rng.uniform(80, 120, count).tolist())
    noise = jnp.asarray(rng.normal(0, 2.0, uv.shape), jnp.float32)
    confidence = jnp.asarray(rng.uniform(size=uv.shape[:-1]) < 0.8, jnp.float32)
    return uv + noise, confidence


def test_who_appears_larger_is_nearer():
    found = ordered(*scene([60.0, 30.0, 31.0], [120.0, 100.0, 101.0]))
    np.testing.assert_array_equal(found.label, [[0, 1, 1], [-1, 0, 0], [-1, 0, 0]])
    size, same, near = Reason.SIZE, Reason.SAME, Reason.MARGIN
    np.testing.assert_array_equal(
        found.reason, [[same, size, size], [size, same, near], [size, near, same]]
    )
    np.testing.assert_array_equal(found.labelled, found.reason == size)


def test_feet_that_stand_higher_take_the_label_away():
    found = ordered(*scene([60.0, 30.0], [80.0, 100.0]))
    assert found.reason[0, 1] == Reason.CONFLICT
    assert not found.labelled.any()
    assert not found.label.any()


def test_a_person_of_few_visible_joints_has_no_label():
    uv, confidence = scene([60.0, 30.0], [120.0, 100.0])
    found = ordered(uv, confidence.at[1].set(people.only("nose", "left_hip")))
    assert found.reason[0, 1] == Reason.UNKNOWN
    assert not found.labelled.any()


def test_one_person_gives_no_label():
    found = ordered(*scene([60.0], [120.0]))
    assert found.label.shape == (1, 1)
    assert not found.labelled.any()


@pytest.mark.parametrize("seed", range(3))
def test_labels_are_antisymmetric_and_reasons_symmetric(seed):
    found = ordered(*crowd(seed))
    assert found.labelled.any()
    np.testing.assert_array_equal(found.label, -found.label.T)
    np.testing.assert_array_equal(found.reason, found.reason.T)


@pytest.mark.parametrize("margin", [0.0, 1.3])
@pytest.mark.parametrize("seed", range(3))
def test_labels_are_transitive(seed, margin):
    label = np.asarray(ordered(*crowd(seed, count=8), margin=margin).label)
    over = (label > 0).astype(int)
    via = (over @ over) > 0
    assert not (via & (label < 0)).any()
    sizes = apparent_size.Sizes(
        jnp.linspace(0, 1, 5), jnp.linspace(0.05, 0.3, 5), jnp.ones(5, bool)
    )
    alone = np.asarray(order.order_people(sizes, margin=margin).label) > 0
    assert not ((alone.astype(int) @ alone.astype(int) > 0) & ~alone).any()


@pytest.mark.parametrize("seed", range(2))
def test_labels_are_invariant_to_flip_and_scale(seed):
    uv, confidence = crowd(seed)
    first = ordered(uv, confidence)
    sides = jnp.array(skeleton.COCO17.mirror)
    flipped = ordered(people.mirrored(uv, 128.0), confidence[:, sides])
    chex.assert_trees_all_equal(flipped, first)
    chex.assert_trees_all_equal(ordered(3.7 * uv, confidence), first)


def test_a_wider_margin_labels_less():
    counts = [ordered(*crowd(3, 8), margin=m).labelled.sum() for m in (0.0, 1.3, 3.0)]
    assert counts[0] > counts[1] > counts[2]


@pytest.mark.parametrize(
    ("sizes", "reason"), [((0.0, 0.0), Reason.EQUAL), ((0.0, 0.1), Reason.MARGIN)]
)
def test_ties_are_equal_only_within_the_band(sizes, reason):
    found = order.order_people(
        apparent_size.Sizes(jnp.array(sizes), jnp.full(2, 0.1), jnp.ones(2, bool)),
        equal=0.3,
    )
    assert found.reason[0, 1] == reason
    assert found.label[0, 1] == 0
    assert found.labelled[0, 1] == (reason == Reason.EQUAL)


def test_measured_depth_orders_points():
    depth = jnp.array([1.0, 2.0, 2.04, jnp.nan])
    valid = jnp.array([True, True, True, False])
    found = order.order_depths(depth, valid=valid, margin=0.1, equal=0.05)
    np.testing.assert_array_equal(found.label[0], [0, 1, 1, 0])
    np.testing.assert_array_equal(
        found.reason[1], [Reason.DEPTH, Reason.SAME, Reason.EQUAL, Reason.UNKNOWN]
    )


def test_keypoints_have_the_labels_of_their_people():
    found = ordered(*scene([60.0, 30.0], [120.0, 100.0]))
    pairs = order.keypoint_order(found, joints=3)
    assert pairs.label.shape == (6, 6)
    assert (pairs.label[:3, 3:] == 1).all()
    assert not pairs.labelled[:3, :3].any()


def test_depth_is_looked_up_at_pixels_inside_the_map():
    depth = jnp.array([[1.0, 2.0], [3.0, 0.0]])
    uv = jnp.array([[1.5, 0.2], [0.5, 1.5], [1.5, 1.5], [2.0, 0.5], [jnp.nan, 0.0]])
    found, known = order.depth_at(depth, uv)
    np.testing.assert_array_equal(known, [True, True, False, False, False])
    np.testing.assert_array_equal(found, [2.0, 3.0, 0.0, 0.0, 0.0])


def test_feet_are_known_only_if_both_are_seen():
    uv = people.standing(50.0, floor=90.0)
    seen = jnp.ones(17)
    find = functools.partial(order.lower_foot_row, skeleton=skeleton.COCO17)
    row, known = find(uv, confidence=seen)
    assert known
    assert row == uv[16, 1]
    assert not find(uv, confidence=seen.at[15].set(0.0))[1]
