"""Runs on one page: settings that differ, curves by run, results side by side."""

import json

import numpy as np

from unipose_jax.report import curves
from unipose_jax.report.pages import comparison


def group(error, frames=4):
    return {
        "num_frames": frames,
        "mpjpe_mm": error,
        "joint_mpjpe_mm": {"head": error, "neck": 2 * error},
    }


def run(name, *, error=60.0, seed=0, steps=(10, 20), scored=True, protocol="P."):
    results = {"all": group(error), "visible": group(error), "occluded": group(0, 0)}
    record = {"step": 20, "protocol": protocol, "results": results}
    log = [
        {"step": s, "split": "train", "loss/total": error / s, "loss/zero": 0.0}
        for s in steps
    ]
    log.append({"step": 20, "split": "validation", "mpjpe_mm": error})
    config = {"seed": seed, "data": {"name": "a", "depth_range": [0.5, 4.0]}}
    return comparison.Run(name, record if scored else {}, config, log, "ITOP15")


def written(tmp_path, *runs):
    comparison.write(tmp_path / "c.html", runs)
    return (tmp_path / "c.html").read_text()


def test_settings_that_differ_have_a_row_and_others_none():
    one, two = run("a"), run("b", seed=1)
    two.config["data"]["added"] = True
    table = comparison.differences([one, two])
    assert table.columns == ("a", "b")
    assert table.rows == (("seed", "0", "1"), ("data.added", "-", "true"))


def test_a_chart_has_a_line_for_each_run_at_its_own_steps():
    runs = {"a": run("a").log, "b": run("b", error=30.0, steps=(20, 30)).log}
    charts = {chart.title: chart for chart in curves.of_runs(runs)}
    assert set(charts) == {"validation MPJPE [mm]", "loss: total, smoothed"}
    (packed,) = curves.pack([charts["loss: total, smoothed"]])
    assert packed["x"] == [10.0, 20.0, 30.0]
    first, second = packed["lines"]
    assert first[0] == 6.0
    assert first[2] is second[0] is None
    assert second[1] == 1.5


def test_a_run_has_its_losses_in_one_chart():
    charts = curves.of_run(run("a").log)
    assert [chart.title for chart in charts][1:] == [
        "validation MPJPE [mm]: best 60.0 at step 20"
    ]
    assert list(charts[0].lines) == ["total"]
    assert curves.of_run([]) == []


def test_values_without_a_logarithm_are_missing():
    log = [*run("a").log, {"step": 30, "split": "train", "loss/total": float("nan")}]
    log += [{"step": 40, "split": "train", "loss/total": -9.0}]
    (packed, _) = curves.pack(curves.of_run(log))
    json.dumps(packed, allow_nan=False)
    assert all(value is None or value > 0 for value in packed["lines"][0])


def test_results_are_side_by_side(tmp_path):
    text = written(tmp_path, run("a"), run("b", error=30.0), run("c", scored=False))
    assert "all joints" in text
    assert "occluded joints" not in text  # no frame
    assert text.count("<td>60.0</td>") == text.count("<td>30.0</td>") == 2
    assert "--share:50%" in text  # of the neck's 120 mm
    assert "P." in text
    assert "different frames" not in text


def test_other_protocols_are_pointed_out(tmp_path):
    text = written(tmp_path, run("a"), run("b", protocol="Q."))
    assert "different frames or data. a: P. b: Q." in text


def test_runs_without_anything_give_a_page(tmp_path):
    bare = [run(name, scored=False, steps=())._replace(log=[]) for name in "ab"]
    text = written(tmp_path, *bare)
    assert "<h2>Learning" not in text
    assert "class=curves" not in text
    assert np.char.count(text, "<h2>") == 2


def test_the_best_is_the_lowest_error_and_the_highest_share():
    values = ((20, 60.0, 0.5), (30, 50.0, 0.4), (40, 55.0, 0.3))
    log = [
        {"step": step, "split": "validation", "mpjpe_mm": error, "map_10cm": share}
        for step, error, share in values
    ]
    assert [chart.title for chart in curves.of_run(log)] == [
        "validation MPJPE [mm]: best 50.0 at step 30",
        "validation mAP@10cm [%]: best 50.0 at step 20",
    ]
