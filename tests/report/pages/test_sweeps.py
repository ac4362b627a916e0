import numpy as np
import pytest
from PIL import Image

from unipose_jax.report.draw import palette
from unipose_jax.report.pages import sweeps


def draw(folder, rows, **options):
    path = folder / "sweep.png"
    sweeps.draw_sweep(path, rows, setting="noise [px]", keys=("map_10cm",), **options)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")) / 255.0


def rows_of(picture, index):
    """Pixel rows in which the line of the run with this index is seen, by column."""
    line = np.abs(picture - palette.series_color(index)).max(-1) < 0.02
    line[:, 798:] = False  # the legend
    columns = np.flatnonzero(line.any(axis=0))
    rows = np.arange(len(line))[:, None]
    return columns, (rows * line).sum(0)[columns] / line.sum(0)[columns]


def test_better_runs_are_higher_and_fall_where_they_get_worse(tmp_path):
    falls = {"0": {"map_10cm": [0.8, 0.81]}, "8": {"map_10cm": [0.6, 0.61]}}
    stays = {"0": {"map_10cm": [0.9, 0.91]}, "8": {"map_10cm": [0.9, 0.91]}}
    picture = draw(tmp_path, {"falls": falls, "stays": stays}, width=900)
    columns, falling = rows_of(picture, 0)
    assert np.ptp(columns) > 300  # from one value to the other
    assert falling[-1] - falling[0] > 100  # rows count downwards
    _, staying = rows_of(picture, 1)
    assert np.ptp(staying) < 30
    assert staying.max() < falling.min()


def test_runs_may_lack_values_and_seeds(tmp_path):
    some = {"3": {"map_10cm": 0.7}}
    rows = {"all": {"0": {"map_10cm": [0.8]}, "3": {}}, "some": some}
    picture = draw(tmp_path, rows, width=900)
    assert len(rows_of(picture, 1)[0]) > 3


@pytest.mark.parametrize(
    ("values", "places", "wide"),
    [
        (["0", "3", "8"], [0.0, 3.0, 8.0], False),
        (["250", "1000", "4000"], [250.0, 1000.0, 4000.0], True),
        (["8", "3"], [8.0, 3.0], False),
        (["none", "rgbd"], [0.0, 1.0], False),
        (["1", "nan"], [0.0, 1.0], False),
    ],
)
def test_numbers_stand_where_they_belong(values, places, wide):
    assert sweeps.places_of(values) == (places, wide)
