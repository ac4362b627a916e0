import numpy as np
import pytest

from benchmarks.figures import sweeps
from unipose_jax.report.draw import palette


def draw(figures, rows):
    """The axes of a chart, and its lines by the name of the run."""
    sweeps.draw_sweep("sweep.png", rows, setting="noise [px]", keys=("map_10cm",))
    (ax,) = figures[0].axes
    return ax, {run.get_label(): run.lines[0] for run in ax.containers}


def test_runs_are_drawn_at_the_means_of_their_metrics(figures):
    falls = {"0": {"map_10cm": [0.8, 0.81]}, "8": {"map_10cm": [0.6, 0.61]}}
    stays = {"0": {"map_10cm": [0.9, 0.91]}, "8": {"map_10cm": [0.9, 0.91]}}
    ax, lines = draw(figures, {"falls": falls, "stays": stays})
    for index, (name, means) in enumerate(
        {"falls": (80.5, 60.5), "stays": (90.5, 90.5)}.items()
    ):
        shown = [(0.0, means[0]), (8.0, means[1])]
        np.testing.assert_allclose(lines[name].get_xydata(), shown)
        assert lines[name].get_color() == palette.series_color(index)
    origin, right, up = ax.transData.transform([(0, 60), (8, 60), (0, 90)])
    assert right[0] > origin[0]
    assert up[1] > origin[1]


def test_runs_may_lack_values_and_seeds(figures):
    some = {"3": {"map_10cm": 0.7}}
    rows = {"all": {"0": {"map_10cm": [0.8]}, "3": {}}, "some": some}
    _, lines = draw(figures, rows)
    np.testing.assert_allclose(lines["all"].get_xydata(), [(0.0, 80.0), (3.0, np.nan)])
    np.testing.assert_allclose(lines["some"].get_xydata(), [(3.0, 70.0)])


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
def test_numbers_are_placed_by_value_and_names_in_order(values, places, wide):
    assert sweeps.places_of(values) == (places, wide)
