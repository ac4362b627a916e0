import numpy as np
import pytest

from benchmarks import pose_machine

# ml_collections loads config files with a function that Python deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


def scores(before, after):
    return {
        "root_mpjpe_mm": {"0": before, "2": before, "10": after},
        "pa_mpjpe_mm": 20.0,
        "mpjpe_mm": 100.0,
    }


def test_the_table_shows_what_correction_changes():
    records = {"complete": [scores(30.0, 29.0), scores(32.0, 31.5)]}
    row = pose_machine.table_of(records).splitlines()[2]
    assert row.startswith("| complete | 31.0 ± 1.4 | +0.00 ± 0.00 | -0.75 ± 0.35 |")


def test_unseen_people_and_cameras_are_not_trained_on():
    people, camera = pose_machine.NETWORKS["people"], pose_machine.NETWORKS["camera"]
    assert not people.is_used("Train_S1_Walking_1_chunk0_cam0")
    assert people.is_used("Train_S2_Walking_1_chunk0_cam0")
    (row,) = camera.rows.values()
    for name in ("Train_S1_Walking_1_chunk0_cam1", "Train_S1_Walking_1_chunk0_cam2"):
        assert camera.is_used(name) != row.is_tested(name)


def clips():
    shape = (6, 4, 15)
    return {"uv": np.zeros((*shape, 2)), "confidence": np.ones(shape, np.float32)}


def test_rows_see_what_they_say():
    head = pose_machine._HEAD
    row = pose_machine.Row(heads=False)
    seen = pose_machine.observed(row, clips(), 0)
    expected = np.broadcast_to(np.arange(15) != head, (6, 4, 15))
    np.testing.assert_array_equal(seen["confidence"] > 0, expected)
    noisy = pose_machine.observed(pose_machine.Row(noise=2.0), clips(), 0)
    assert 1.7 < noisy["uv"].std() < 2.3
    missing = pose_machine.observed(pose_machine.Row(missing=True), clips(), 0)
    assert 0.05 < (missing["confidence"] == 0).mean() < 0.7
    assert (clips()["confidence"] == 1).all()
