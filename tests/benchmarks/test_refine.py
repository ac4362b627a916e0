import dataclasses

import numpy as np
import pytest

from benchmarks import refine, refine_data
from unipose_jax import skeleton


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    xyz = rng.normal(scale=0.3, size=(1, 15, 3)) + np.array([0.0, 0.0, 3.0])
    xyz = np.repeat(xyz, 400, axis=0)
    return refine_data.truth_of(xyz, np.arange(400) / 15.0, skeleton.ITOP15)


def test_white_errors_have_the_stated_size_and_no_memory(truth):
    found = refine_data.with_white_errors(truth, seed=0)
    error = found.xyz - truth.xyz
    torso = error[:, skeleton.ITOP15.index("torso"), 0]
    np.testing.assert_allclose(1.4826 * np.median(np.abs(torso)), 0.02, rtol=0.2)
    ordinary = np.clip(torso, -0.04, 0.04)
    assert abs(np.corrcoef(ordinary[1:], ordinary[:-1])[0, 1]) < 0.15
    far = np.linalg.norm(error, axis=-1)[:, skeleton.ITOP15.index("torso")] > 0.15
    np.testing.assert_allclose(far.mean(), 0.05, atol=0.04)


def test_exact_keypoints_give_back_the_truth(truth):
    seen = refine_data.with_keypoints(truth, truth, pixels=0.0, seed=0)
    aside = seen.xyz * np.float32([1.2, 0.7, 1.0])
    found = refine_data.back_projected(dataclasses.replace(seen, xyz=aside))
    np.testing.assert_allclose(found.xyz, truth.xyz, atol=1e-4)


def test_a_running_median_removes_one_frame_and_stays_within_clips(truth):
    both = refine_data.joined([truth.part(0, 5), truth.part(5, 10)])
    xyz = both.xyz.copy()
    xyz[2] += 1.0
    xyz[5:] += 2.0
    found = refine_data.running_median(dataclasses.replace(both, xyz=xyz), 3)
    np.testing.assert_allclose(found.xyz[:5], truth.xyz[:5])
    np.testing.assert_allclose(found.xyz[5:], truth.xyz[5:10] + 2.0)


def test_scores_count_joints_within_10_cm(truth):
    wrong = truth.xyz.copy()
    wrong[:100, 0, 0] += 0.15
    found = refine.position_scores(dataclasses.replace(truth, xyz=wrong), truth)
    np.testing.assert_allclose(found, (100.0 - 25.0 / 15.0, 150.0 / 60.0), rtol=1e-4)


def test_padding_and_smoothness_of_a_person_at_rest(truth):
    short = truth.part(0, 40)
    longer = refine.padded(short)
    assert len(longer) == 64
    assert longer.is_valid().sum() == 40 * 15
    assert (np.diff(longer.time) > 0).all()
    spread, acceleration = refine.smoothness(short)
    np.testing.assert_allclose(spread, 0.0, atol=1e-6)
    np.testing.assert_allclose(acceleration, 0.0, atol=1e-3)
