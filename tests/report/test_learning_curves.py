import numpy as np
import pytest

from unipose_jax.report import learning_curves

RECORDS = [
    {"step": s, "split": "train", "loss/total": 1.0 / (s + 1), "loss/zero": 0.0}
    for s in range(0, 100, 10)
]
VALIDATION = {"step": 50, "split": "validation", "mpjpe_mm": 80.0, "map_10cm": 0.7}


@pytest.mark.parametrize(
    "records",
    [[], RECORDS, [VALIDATION], [*RECORDS, VALIDATION], [{"step": 1, "split": "test"}]],
)
def test_curves_are_drawn_from_any_log(figures, records):
    learning_curves.draw_curves("curves.png", records)
    losses, error, _ = figures[0].axes
    assert bool(losses.lines) == (RECORDS[0] in records)
    assert bool(error.lines) == (VALIDATION in records)
    if VALIDATION in records:
        np.testing.assert_array_equal(error.lines[0].get_xydata(), [[50.0, 80.0]])
    for ax in (losses, error):
        assert bool(ax.lines) != any("nothing" in t.get_text() for t in ax.texts)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0])
def test_values_without_a_logarithm_can_be_drawn(figures, value):
    records = [*RECORDS, {"step": 100, "split": "train", "loss/total": value}]
    records += [VALIDATION, VALIDATION | {"step": 60, "mpjpe_mm": float("nan")}]
    learning_curves.draw_curves("curves.png", records)
    figures[0].axes[0].get_tightbbox()  # computes the ticks, as rendering would
    assert "total" in [line.get_label() for line in figures[0].axes[0].lines]


def test_bars_are_as_long_as_their_figures(figures):
    errors = np.full(15, np.nan)
    errors[[0, 5]] = (100.0, 50.0)
    learning_curves.draw_joint_errors("bars.png", {"a": errors}, skeleton="ITOP15")
    (ax,) = figures[0].axes
    assert [bar.get_width() for bar in ax.patches] == [100.0, 50.0]
    assert [bar.get_y() + bar.get_height() / 2 for bar in ax.patches] == [0.0, 5.0]


def test_rows_of_seeds_have_a_spread(figures):
    rng = np.random.default_rng(0)
    rows = {"weak": rng.uniform(40, 90, (3, 15)), "supervised": rng.uniform(9, 90, 15)}
    learning_curves.draw_joint_errors("bars.png", rows, skeleton="ITOP15")
    (ax,) = figures[0].axes
    for index, name in enumerate(rows):
        bars, spreads = ax.containers[2 * index : 2 * index + 2]
        assert len(bars) == 15
        lines = np.array(spreads.lines[2][0].get_segments())
        lengths = np.ptp(lines[..., 0], axis=1)
        expected = 2 * rows[name].std(axis=0, ddof=1) if name == "weak" else 0.0
        np.testing.assert_allclose(lengths, expected, rtol=1e-9, atol=1e-9)


def test_bars_without_any_figure_are_an_empty_chart(tmp_path):
    path = tmp_path / "bars.png"
    learning_curves.draw_joint_errors(
        path, {"a": np.full(15, np.nan)}, skeleton="ITOP15"
    )
    assert path.is_file()
