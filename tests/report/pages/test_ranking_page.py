import json

import numpy as np
import pytest

from unipose_jax.report.draw import overlay
from unipose_jax.report.pages import ranking_page


@pytest.mark.parametrize("near", [0, 1])
def test_an_arrow_leads_from_the_farther_to_the_nearer(near):
    image = np.full((100, 200, 3), 128, np.uint8)
    uv = np.array([[[20.0, 50.0]], [[180.0, 50.0]]])
    label = np.zeros((2, 2), int)
    label[near, 1 - near], label[1 - near, near] = 1, -1
    overlay.draw_order(image, uv, np.ones((2, 1)), label)
    black = image.max(axis=-1) < 60
    ends = black[:, 20:45].sum(), black[:, 155:180].sum()
    assert ends[near] > ends[1 - near] + 10  # the head of the arrow
    flat = np.full((100, 200, 3), 128, np.uint8)
    overlay.draw_order(flat, uv, np.ones((2, 1)), np.zeros((2, 2), int))
    assert not (flat.max(axis=-1) < 60).any()


def scores():
    names = ("pair_accuracy", "label_accuracy", "inside_accuracy")
    names += ("rule_precision", "rule_coverage")
    return dict.fromkeys(names, 0.5) | {f"{name}_pairs": 4.0 for name in names}


def test_a_run_has_its_table_and_a_picture_for_each_example(tmp_path):
    example = {
        "image": np.full((48, 64, 3), 128, np.uint8),
        "people_uv": np.full((2, 1, 2), 20.0),
        "people_confidence": np.ones((2, 1)),
        "label": np.zeros((2, 2), int),
    }
    path = ranking_page.write_run(
        tmp_path,
        {"scores": scores(), "shown": [example, example]},
        step=3,
        protocol="Two pictures.",
        config={},
    )
    text = path.read_text()
    assert "Two pictures." in text
    assert text.count("<img") == 2
    assert json.loads((tmp_path / "metrics.json").read_text())["step"] == 3


def test_what_was_not_counted_is_missing_from_the_table():
    table = ranking_page.table_of(scores() | {"pair_accuracy": None})
    shares = [cells[0].mean for _, cells in table.rows]
    assert np.isnan(shares[0])
    assert shares[1:] == [0.5] * 4
