import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.refine import segments


def number(xyz, time=None, valid=None):
    time = np.arange(len(xyz)) / 15.0 if time is None else time
    valid = np.ones(xyz.shape[:2], bool) if valid is None else valid
    xyz, time = jnp.asarray(xyz, jnp.float32), jnp.asarray(time, jnp.float32)
    return np.asarray(
        segments.find_segments(
            xyz, time, valid=jnp.asarray(valid), skeleton=skeleton.ITOP15
        )
    )


def test_a_continuous_sequence_is_one_segment(person):
    np.testing.assert_array_equal(number(person), 0)


def test_left_right_swaps_are_not_cuts(person):
    xyz = person.copy()
    xyz[20:22] = xyz[20:22, list(skeleton.ITOP15.mirror)]
    np.testing.assert_array_equal(number(xyz), 0)


def test_a_jump_of_the_body_is_a_cut_and_an_outlier_is_not(person):
    xyz = person.copy()
    xyz[20:] += np.float32([0.5, 0.0, 0.3])
    xyz[40, 6] += 1.0
    np.testing.assert_array_equal(number(xyz), np.arange(60) >= 20)


def test_a_gap_in_time_is_a_cut(person):
    time = np.arange(60) / 15.0
    time[30:] += 2.0
    np.testing.assert_array_equal(number(person, time), np.arange(60) >= 30)


def test_frames_without_a_person_are_not_cuts(person):
    valid = np.ones(person.shape[:2], bool)
    valid[30:33] = False
    dirty = np.where(valid[..., None], person, np.nan)
    np.testing.assert_array_equal(number(dirty, valid=valid), 0)


@pytest.mark.parametrize(("gap", "known"), [(3, True), (20, False)])
def test_short_gaps_are_interpolated_linearly(person, gap, known):
    valid = np.ones(person.shape[:2], bool)
    valid[10 : 10 + gap, 3] = False
    line = person.copy()
    line[:, 3, 0] = 0.01 * np.arange(60)
    dirty = np.where(valid[..., None], line, np.nan)
    filled, found = segments.interpolate_gaps(
        jnp.asarray(dirty),
        valid=jnp.asarray(valid),
        segment=jnp.zeros(60, jnp.int32),
        time=jnp.arange(60) / 15.0,
    )
    assert np.isfinite(filled).all()
    assert bool(found[10 : 10 + gap, 3].any()) == known
    np.testing.assert_allclose(filled[:, 3, 0], line[:, 3, 0], atol=1e-5)


def test_there_is_no_interpolation_across_a_cut(person):
    valid = np.ones(person.shape[:2], bool)
    valid[28:32, 3] = False
    _, known = segments.interpolate_gaps(
        jnp.asarray(person),
        valid=jnp.asarray(valid),
        segment=jnp.asarray(np.arange(60) >= 30, jnp.int32),
        time=jnp.arange(60) / 15.0,
    )
    np.testing.assert_array_equal(known[28:32, 3], False)
