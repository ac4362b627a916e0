import numpy as np
import pytest

from benchmarks import study_tables

SEEDS = ("0", "1")


def record(error):
    groups = {
        group: dict.fromkeys(study_tables.KEYS, 0.5) | {"mpjpe_mm": error * share}
        for group, share in (("all", 1.0), ("visible", 0.5), ("occluded", 2.0))
    }
    provenance = {"commit": "abc1234", "device": "1 x cpu"}
    return {"protocol": "Test split", "provenance": provenance, "results": groups}


ERRORS = {  # by run, value of the setting and seed; seeds differ more than runs
    ("teacher", "0", "0"): 40.0,
    ("teacher", "0", "1"): 80.0,
    ("teacher", "8", "0"): 60.0,
    ("teacher", "8", "1"): 100.0,
    ("student", "0", "0"): 45.0,
    ("student", "0", "1"): 85.0,
    ("student", "8", "0"): 50.0,
    ("student", "8", "1"): 90.0,
}
RECORDS = {key: record(error) for key, error in ERRORS.items()}


def lines_of(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


def test_each_value_and_group_has_its_table():
    text = study_tables.to_markdown(RECORDS, setting="noise", overrides=["steps=5"])
    for group in study_tables.GROUPS:
        for value in ("0", "8"):
            assert f"**{group} joints, noise={value}**" in text
    rows = lines_of(text, "| teacher |")
    assert ["60.0 ± 28.3" in row for row in rows] == [True, *[False] * 5]
    assert "80.0 ± 28.3" in rows[3]
    assert "2 seeds, mean ± standard deviation; Test split; abc1234, 1 x cpu" in text
    assert "overrides: steps=5" in text


def test_differences_are_those_of_the_same_seed():
    text = study_tables.to_markdown(RECORDS, setting="noise")
    rows = lines_of(text, "| teacher less student |")
    # 5 mm for both seeds, which seeds alone, 28 mm apart, would have hidden.
    assert "-5.0 ± 0.0" in rows[0]
    assert "10.0 ± 0.0" in rows[3]


def test_one_run_of_one_seed_is_compared_with_nothing():
    text = study_tables.to_markdown({("teacher", "", "0"): record(40.0)})
    assert "less" not in text
    assert "noise" not in text
    assert "**all joints**" in text
    assert "overrides: none" in text


def test_curves_have_a_list_of_seeds_for_each_value():
    curves = study_tables.curves_of(RECORDS)
    assert curves.keys() == {"teacher", "student"}
    assert list(curves["student"]) == ["0", "8"]
    assert curves["student"]["8"]["mpjpe_mm"] == [50.0, 90.0]


def test_what_was_not_measured_is_missing():
    rows = {name: {key: [2.0, 3.0] for key in study_tables.KEYS} for name in "ab"}
    rows["b"]["accel_error"] = [None, None]  # as JSON has it
    found = study_tables.differences(rows)["a less b"]
    assert np.isnan(found["accel_error"]).all()
    assert found["mpjpe_mm"] == [0.0, 0.0]


@pytest.mark.parametrize("key", study_tables.KEYS)
def test_every_metric_of_a_table_can_be_compared(key):
    one, other = ({name: [2.0] for name in study_tables.KEYS} for _ in range(2))
    other[key] = [0.5]
    found = study_tables.differences({"a": one, "b": other})
    assert found["a less b"][key] == [1.5]
