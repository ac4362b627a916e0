"""The report of a run whose test split has no 3D truth, in part or at all."""

import json

import numpy as np
import pytest

from configs import unipose
from tests import config_data
from unipose_jax import skeleton
from unipose_jax.report import tables
from unipose_jax.report.pages import examples, run_page
from unipose_jax.report.viewer import scene
from unipose_jax.train.evaluation import evaluate

CLIPS, FRAMES, JOINTS = 2, 3, 15


class Split:
    """Clips of a person; `known` says which joints have a truth."""

    protocol = "Recorded."

    def __init__(self, known):
        rng = np.random.default_rng(0)
        shape = (CLIPS, FRAMES, JOINTS)
        self.known = np.broadcast_to(known, shape)
        self.xyz = rng.uniform((-0.5, -1, 2), (0.5, 1, 3), (*shape, 3))
        self.xyz = self.xyz.astype(np.float32)

    def __len__(self):
        return CLIPS

    def __getitem__(self, index):
        known = self.known[index]
        return {
            "xyz": np.where(known[..., None], self.xyz[index], np.nan),
            "xyz_valid": known,
            "visible": known.copy(),
            "time": np.arange(FRAMES, dtype=np.float32) / 15,
            "points": self.xyz[index],
            "points_valid": np.ones((FRAMES, JOINTS), bool),
            "uv": np.full((FRAMES, JOINTS, 2), 10.0, np.float32),
            "confidence": np.ones((FRAMES, JOINTS), np.float32),
            "intrinsics": np.array([60.0, 60.0, 32.0, 24.0], np.float32),
            "cam_from_points": np.eye(4, dtype=np.float32),
        }


def write(split, folder, monkeypatch):
    """The page, the recorded metrics and the clips of a report."""
    config, shown = unipose.get_config("smoke"), []
    config.data.name = "recording"
    data = config_data.typed(config.data)
    make = examples.scenes_of
    monkeypatch.setattr(
        examples, "scenes_of", lambda *args: shown.extend(make(*args)) or shown
    )
    predicted = {
        "xyz": split.xyz + np.float32(0.01),
        "confidence": np.ones((CLIPS, FRAMES, JOINTS), np.float32),
    }
    truth = evaluate.read_ground_truth(split)
    body = skeleton.by_name("ITOP15")
    results = evaluate.compute_metrics(predicted, truth, body)
    page = run_page.report_run(
        config.to_dict(),
        data,
        folder,
        7,
        results,
        split,
        predicted,
        protocol=run_page.protocol(data, results, split.protocol),
        log=folder / "log.jsonl",
        others={"depth": results},
        with_keypoints=results,
        studied={"actions": {"mean": {}}, "noise": {}},
        conditions=evaluate.metrics_by_condition(predicted, truth, body),
    )
    return page.read_text(), json.loads((folder / "metrics.json").read_text()), shown


def test_without_truth_there_are_no_tables_and_no_truth_to_draw(tmp_path, monkeypatch):
    page, record, shown = write(Split(False), tmp_path, monkeypatch)
    assert f">{tables.MISSING}<" not in page
    assert "no 3D truth to score by" in page
    assert record["results"]["all"]["num_frames"] == 0
    assert record["results_with_keypoints"] == record["results"]
    assert [one.name for one in shown] == ["test 0", "test 1"]
    assert all(len(one.people[0].poses) == 1 for one in shown)
    results = record["results"]
    assert run_page.summary_text(results) == ""
    assert run_page.comparison_text({"points": results, "depth": results}) == ""


def test_groups_of_joints_that_nobody_scored_have_no_row(tmp_path, monkeypatch):
    known = np.ones((CLIPS, FRAMES, JOINTS), bool)
    known[1] = False
    page, record, shown = write(Split(known), tmp_path, monkeypatch)
    assert record["results"]["occluded"]["num_frames"] == 0  # all that is known is seen
    assert f">{tables.MISSING}<" not in page
    assert "visible joints" in page
    assert "occluded joints" not in page
    assert [one.name for one in shown] == ["worst: test 0, 17 mm", "test 1"]
    assert [len(one.people[0].poses) for one in shown] == [2, 1]
    assert isinstance(shown[0], scene.Scene)


@pytest.mark.parametrize("known", [False, True])
def test_the_protocol_counts_what_was_scored(known):
    data = config_data.typed(unipose.get_config("smoke").data)
    results = {name: {"num_frames": 6 * known} for name in ("all", "visible")}
    text = run_page.protocol(data, results, "Recorded.")
    assert ("6 frames scored" in text) == known
    assert ("no 3D truth" in text) != known
