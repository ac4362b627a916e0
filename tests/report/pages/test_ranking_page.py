import json

import numpy as np
import pytest

from unipose_jax.report import build
from unipose_jax.report.draw import order_arrows
from unipose_jax.report.pages import ranking_page


@pytest.mark.parametrize(
    ("label", "arrows"),
    [
        ([[0, 1], [-1, 0]], {((180.0, 50.0), (20.0, 50.0))}),
        ([[0, -1], [1, 0]], {((20.0, 50.0), (180.0, 50.0))}),
        ([[0, 0], [0, 0]], set()),
    ],
)
def test_an_arrow_leads_from_the_farther_to_the_nearer(figures, label, arrows):
    grey = np.full((100, 200, 3), 128, np.uint8)
    uv = np.array([[[20.0, 50.0]], [[180.0, 50.0]]])
    order_arrows.draw_order(
        "order.png", [grey], [uv], [np.ones((2, 1))], [np.array(label)]
    )
    drawn = figures[0].axes[0].texts
    assert {(tuple(arrow.xyann), tuple(arrow.xy)) for arrow in drawn} == arrows
    assert all(arrow.arrowprops["arrowstyle"].endswith(">") for arrow in drawn)


def scores():
    names = ("pair_accuracy", "label_accuracy", "inside_accuracy")
    names += ("rule_precision", "rule_coverage")
    return dict.fromkeys(names, 0.5) | {f"{name}_pairs": 4.0 for name in names}


def test_without_matplotlib_a_run_has_its_table_and_a_note(
    tmp_path, without_matplotlib
):
    path = ranking_page.write_run(
        tmp_path,
        {"scores": scores(), "shown": [{}]},
        step=3,
        protocol="Two pictures.",
        config={},
    )
    assert build.NO_PICTURES in path.read_text()
    assert json.loads((tmp_path / "metrics.json").read_text())["step"] == 3
    assert not (tmp_path / "report" / "figures").exists()


def test_what_was_not_counted_is_missing_from_the_table():
    table = ranking_page.table_of(scores() | {"pair_accuracy": None})
    shares = [cells[0].mean for _, cells in table.rows]
    assert np.isnan(shares[0])
    assert shares[1:] == [0.5] * 4
