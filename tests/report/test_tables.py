import math

import numpy as np
import pytest

from unipose_jax.report import tables
from unipose_jax.skeleton import definitions

ROWS = {
    "weak": {"mpjpe_mm": [60.0, 62.0, 67.0], "map_10cm": [0.88, 0.87, 0.89]},
    "supervised": {"mpjpe_mm": 52.04},
}


def test_spread_is_mean_and_sample_deviation():
    # Deviations from 63 are -3, -1, 4: sqrt((9 + 1 + 16) / 2) = sqrt(13).
    result = tables.spread([60.0, 62.0, 67.0])
    assert result.mean == pytest.approx(63.0)
    assert result.deviation == pytest.approx(math.sqrt(13.0))
    assert result.count == 3


@pytest.mark.parametrize("values", [5.0, [5.0], [5.0, math.nan], np.float32(5.0)])
def test_one_finite_value_has_no_deviation(values):
    result = tables.spread(values)
    assert (result.mean, result.count) == (5.0, 1)
    assert math.isnan(result.deviation)


@pytest.mark.parametrize("values", [[], math.nan, [math.inf]])
def test_nothing_finite_is_missing(values):
    cell = tables.spread(values)
    assert tables.cell_text(cell, tables.column("mpjpe_mm")) == tables.MISSING


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("mpjpe_mm", 61.25, "61.2"),
        ("map_10cm", 0.8731, "87.3"),
        ("accel_error", 1.236, "1.24"),
        ("num_frames", 1200, "1200"),
        ("something_else", 0.12345, "0.123"),
        ("mpjpe_mm", [60.0, 62.0, 67.0], "63.0 ± 3.6"),
        ("map_10cm", [0.88, 0.87, 0.89], "88.0 ± 1.0"),
    ],
)
def test_cells_are_scaled_and_rounded_by_their_column(key, value, text):
    assert tables.cell_text(tables.spread(value), tables.column(key)) == text


def test_markdown_is_aligned_and_escaped():
    table = tables.metrics_table(ROWS, title="Test | people", note="3 seeds")
    assert tables.to_markdown(table) == (
        "**Test \\| people**\n\n"
        "|            |   MPJPE [mm] |   mAP@10cm [%] |\n"
        "|:-----------|-------------:|---------------:|\n"
        "| weak       |   63.0 ± 3.6 |     88.0 ± 1.0 |\n"
        "| supervised |         52.0 |              - |\n"
        "\n3 seeds\n"
    )


def test_text_is_aligned():
    assert tables.to_text(tables.metrics_table(ROWS)) == (
        "              MPJPE [mm]    mAP@10cm [%]\n"
        "----------  ------------  --------------\n"
        "weak          63.0 ± 3.6      88.0 ± 1.0\n"
        "supervised          52.0               -\n"
    )


def test_a_table_without_rows_is_a_heading():
    table = tables.metrics_table({}, keys=["mpjpe_mm"])
    assert tables.to_text(table).splitlines()[0].strip() == "MPJPE [mm]"


def test_keys_choose_and_order_the_columns():
    table = tables.metrics_table(ROWS, keys=["map_10cm", "mpjpe_mm"])
    assert [shown.key for shown in table.columns] == ["map_10cm", "mpjpe_mm"]


def test_figures_by_joint_make_no_column():
    table = tables.metrics_table({"a": {"auc": 0.5, "pck_10cm": {"head": 1.0}}})
    assert [shown.key for shown in table.columns] == ["auc"]


def test_joint_table_has_a_row_per_joint_and_means_over_seeds():
    errors = np.full((2, 15), np.nan)
    errors[:, 0] = (40.0, 60.0)
    table = tables.joint_table({"weak": errors}, skeleton="ITOP15")
    assert [name for name, _ in table.rows][:3] == ["head", "neck", "right shoulder"]
    texts = [tables.cell_text(cells[0], table.columns[0]) for _, cells in table.rows]
    assert texts == ["50.0 ± 14.1", *["-"] * 14]


def test_joint_table_refuses_another_skeleton():
    with pytest.raises(ValueError, match="17 joints given; the skeleton has 15"):
        tables.joint_table({"a": np.zeros(17)}, skeleton="ITOP15")


def test_joint_values_follow_the_order_of_the_skeleton():
    values = tables.joint_values({"neck": 2.0, "head": 1.0}, skeleton="ITOP15")
    np.testing.assert_array_equal(values, [1.0, 2.0, *[np.nan] * 13])
    assert len(values) == definitions.ITOP15.num_joints
