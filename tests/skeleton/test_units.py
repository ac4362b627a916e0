"""Units of poses and times."""

import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.physics import anthropometry
from unipose_jax.skeleton import units


def test_people_of_all_sizes_are_in_metres_and_no_other_unit():
    for name in (*skeleton.NAMES, *skeleton.TRACKERS):
        body = skeleton.by_name(name)
        for stature in (0.6, 2.1):
            xyz = np.asarray(anthropometry.standing_pose(body, stature=stature))
            units.check_metres(xyz, skeleton=body)
            assert units.limb_length(xyz, skeleton=body) > units.MIN_LIMB
            for factor, unit in ((1000.0, "millimetres"), (100.0, "centimetres")):
                with pytest.raises(ValueError, match=f"as in {unit}; joints must be"):
                    units.check_metres(factor * xyz, skeleton=body)


def test_limb_length_is_the_median_of_known_bones():
    body = skeleton.ITOP15
    xyz = np.zeros((15, 3), np.float32)
    xyz[body.index("left_elbow")] = [0.0, 0.3, 0.4]
    valid = np.zeros(15, bool)
    valid[[body.index("left_shoulder"), body.index("left_elbow")]] = True
    length = units.limb_length(xyz, skeleton=body, valid=valid)
    np.testing.assert_allclose(length, 0.5, rtol=1e-6)
    assert np.isnan(units.limb_length(xyz * np.nan, skeleton=body))


@pytest.mark.parametrize("rate", [0.2, 1.0, 15.0, 60.0, 300.0])
def test_times_of_cameras_are_seconds_and_no_other_unit(rate):
    time = 1.7e9 + np.arange(12) / rate
    units.check_seconds(time)
    elapsed = time - time[0]
    for factor, unit in ((1e3, "milli"), (1e6, "micro"), (1e9, "nano")):
        with pytest.raises(ValueError, match=f"{unit}seconds"):
            units.check_seconds(factor * time)
        if rate < 100.0:  # faster ones in milliseconds are told by the origin only
            with pytest.raises(ValueError, match=f"{unit}seconds"):
                units.check_seconds(factor * elapsed)


def test_depth_in_counts_or_millimetres_is_refused():
    units.check_depth_metres(np.array([0.0, 2.5, np.nan]), name="depth")
    units.check_depth_metres(np.zeros(3), name="depth")
    with pytest.raises(ValueError, match="depth has a median of 2500, as in mil"):
        units.check_depth_metres(np.array([0.0, 2500.0]), name="depth")
    with pytest.raises(ValueError, match="uint16; expected metres"):
        units.check_depth_metres(np.array([0, 2500], np.uint16), name="depth")


def test_long_limbs_of_a_bad_network_are_not_taken_for_another_unit():
    body = skeleton.ITOP15
    person = np.asarray(anthropometry.standing_pose(body))
    units.check_metres(4.0 * person, skeleton=body)
    with pytest.raises(ValueError, match="as in centimetres"):
        units.check_metres(100.0 * person, skeleton=body)
