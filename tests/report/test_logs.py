import json

import numpy as np
import pytest

from unipose_jax.report import logs

RECORDS = [
    {"step": 10, "split": "train", "time": 5.0, "loss/total": 2.0},
    {"step": 20, "split": "train", "time": 6.0, "loss/total": 1.0, "steps_per_s": 4},
    {"step": 20, "split": "validation", "time": 6.5, "mpjpe_mm": 80.0},
]


def test_reads_what_was_written(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, RECORDS)) + "\n")
    assert logs.read_log(path) == RECORDS


@pytest.mark.parametrize("junk", ['{"step": 30, "spl', "[1]", "3", "", '{"a": 1}'])
def test_lines_that_are_no_record_are_skipped(tmp_path, junk):
    path = tmp_path / "log.jsonl"
    path.write_text(f"{junk}\n{json.dumps(RECORDS[0])}\n{junk}")
    assert logs.read_log(path) == RECORDS[:1]


def test_an_absent_log_has_no_records(tmp_path):
    assert logs.read_log(tmp_path / "log.jsonl") == []


def test_series_is_sorted_and_the_last_record_of_a_step_counts():
    resumed = [*RECORDS, RECORDS[0] | {"loss/total": 7.0}]
    steps, values = logs.series(resumed, "loss/total", split="train")
    np.testing.assert_array_equal(steps, [10, 20])
    np.testing.assert_array_equal(values, [7.0, 1.0])


def test_series_of_another_split_or_name_is_empty():
    for name, split in (("loss/total", "test"), ("loss/other", "train")):
        steps, values = logs.series(RECORDS, name, split=split)
        assert steps.shape == values.shape == (0,)


def test_scalar_names_leave_the_reserved_ones_out():
    assert logs.scalar_names(RECORDS, split="train") == ["loss/total", "steps_per_s"]


def test_smoothing_matches_hand_computed_weights():
    # Half-life 1: weights 1, 1/2, 1/4 backwards; (1/4 1 + 1/2 2 + 4) / (7/4) = 3.
    smooth = logs.smoothed(np.array([1.0, 2.0, 4.0]), halflife=1.0)
    np.testing.assert_allclose(smooth, [1.0, 2.5 / 1.5, 3.0], rtol=1e-12)


def test_smoothing_skips_what_is_not_finite():
    smooth = logs.smoothed(np.array([np.nan, 3.0, np.inf, 3.0]), halflife=5.0)
    np.testing.assert_allclose(smooth, [np.nan, 3.0, 3.0, 3.0])
