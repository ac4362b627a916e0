import numpy as np
import pytest
from PIL import Image

from unipose_jax.report import learning_curves
from unipose_jax.report.draw import palette

RECORDS = [
    {"step": s, "split": "train", "loss/total": 1.0 / (s + 1), "loss/zero": 0.0}
    for s in range(0, 100, 10)
]
VALIDATION = {"step": 50, "split": "validation", "mpjpe_mm": 80.0, "map_10cm": 0.7}


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")) / 255.0


def count(path, color):
    return int((np.abs(pixels(path) - color).max(-1) < 0.02).sum())


@pytest.mark.parametrize(
    "records",
    [[], RECORDS, [VALIDATION], [*RECORDS, VALIDATION], [{"step": 1, "split": "test"}]],
)
def test_curves_are_drawn_from_any_log(tmp_path, records):
    path = tmp_path / "curves.png"
    learning_curves.draw_curves(path, records)
    assert pixels(path).shape == (440, 1280, 3)
    # One validation row is one blue dot; none is none.
    assert (count(path, palette.series_color(0)) > 5) == (VALIDATION in records)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0])
def test_curves_survive_values_that_a_logarithm_cannot_show(tmp_path, value):
    records = [*RECORDS, {"step": 100, "split": "train", "loss/total": value}]
    records += [VALIDATION, VALIDATION | {"step": 60, "mpjpe_mm": float("nan")}]
    learning_curves.draw_curves(tmp_path / "curves.png", records)
    assert count(tmp_path / "curves.png", palette.INK) > 100


def test_bars_are_as_long_as_their_figures(tmp_path):
    errors = np.full(15, np.nan)
    errors[[0, 5]] = (100.0, 50.0)
    path = tmp_path / "bars.png"
    learning_curves.draw_joint_errors(path, {"a": errors}, skeleton="ITOP15")
    blue = np.abs(pixels(path) - palette.series_color(0)).max(-1) < 0.02
    widths = np.sort(blue.sum(axis=1)[blue.any(axis=1)])
    # Bars of two heights only; pixels are whole.
    assert len(widths) > 10
    np.testing.assert_allclose(
        np.unique(widths)[-1] / np.unique(widths)[0], 2, rtol=0.02
    )


def test_rows_of_seeds_have_a_spread(tmp_path):
    rng = np.random.default_rng(0)
    rows = {"weak": rng.uniform(40, 90, (3, 15)), "supervised": rng.uniform(9, 90, 15)}
    path = tmp_path / "bars.png"
    learning_curves.draw_joint_errors(path, rows, skeleton="ITOP15")
    assert pixels(path).shape[1] >= 800
    assert count(path, palette.series_color(1)) > 1000


def test_bars_without_any_figure_are_an_empty_chart(tmp_path):
    path = tmp_path / "bars.png"
    learning_curves.draw_joint_errors(
        path, {"a": np.full(15, np.nan)}, skeleton="ITOP15"
    )
    assert path.is_file()
