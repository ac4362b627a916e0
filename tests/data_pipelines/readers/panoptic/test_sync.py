"""Matching of images and poses in time: hand-computed examples."""

import numpy as np
import pytest

from data_pipelines.readers.panoptic import sync


def test_images_without_a_later_time_are_dropped():
    time = np.array([-1.0, 10.0, 40.0, -1.0, 0.0, 40.0, 30.0, 70.0])
    np.testing.assert_array_equal(sync.increasing_indices(time), [1, 2, 7])
    assert len(sync.increasing_indices(np.zeros(0))) == 0


def test_the_nearest_known_time_is_found_in_any_order():
    time = np.array([100.0, -1.0, 40.0, 70.0, 0.0])
    place, away = sync.nearest_in_time(time, np.array([-500.0, 54.0, 56.0, 90.0, 1e6]))
    np.testing.assert_array_equal(place, [2, 2, 3, 0, 0])
    np.testing.assert_allclose(away, [540.0, 14.0, 14.0, 10.0, 1e6 - 100.0])


@pytest.mark.parametrize("time", [[], [-1.0, 0.0]])
def test_the_distance_is_infinite_without_known_times(time):
    _, away = sync.nearest_in_time(np.array(time), np.array([1.0, 2.0]))
    np.testing.assert_array_equal(away, [np.inf, np.inf])
