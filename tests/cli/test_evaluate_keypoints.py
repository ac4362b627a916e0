"""A network that takes 2D keypoints has two figures: without and with them."""

import types

import numpy as np
import pytest

from configs import unipose
from data_pipelines.loading import sources
from tests import config_data
from tests.report import test_experiment
from unipose_jax import skeleton
from unipose_jax.cli import evaluate
from unipose_jax.report.pages import examples, run_page
from unipose_jax.train import parallel
from unipose_jax.train.checkpoints import restore
from unipose_jax.train.evaluation import evaluate as scoring

SPLIT = test_experiment.Split(True)


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A stage whose network is right with keypoints and 10 mm off without."""
    config = unipose.get_config("smoke")
    config.data.name, config.model.keypoints = "recording", True
    state = types.SimpleNamespace(step=3, ema_params={}, apply_fn=None)

    def make_predict(apply_fn, inputs):
        def predict(params, batch):
            away = np.float32(0.0 if "uv" in inputs else 0.01)
            xyz = np.nan_to_num(batch["xyz"]) + away
            return {"xyz": xyz, "confidence": np.ones(xyz.shape[:-1])}

        return predict

    monkeypatch.setattr(restore, "restore_best", lambda stage: state)
    monkeypatch.setattr(sources, "open_split", lambda data, name: SPLIT)
    monkeypatch.setattr(parallel, "replicate", lambda params: params)
    monkeypatch.setattr(scoring, "make_predict", make_predict)
    monkeypatch.setattr(evaluate, "_evaluation_folder", lambda stage: tmp_path / "e")
    recipe = types.SimpleNamespace(inputs=("points", "uv"), predict_fn=None)
    return types.SimpleNamespace(
        name="points",
        method="stage1",
        recipe=recipe,
        folder=tmp_path,
        data=config_data.typed(config.data),
        model=config.model.to_dict(),
        batch_size=4,
        skeleton=skeleton.ITOP15,
        config=config.to_dict(),
    )


def test_both_are_printed_and_reported(stage, tmp_path, monkeypatch, capsys):
    reported = {}

    def report_run(*args, **options):
        reported.update(options, results=args[4])
        return tmp_path / "index.html"

    monkeypatch.setattr(run_page, "report_run", report_run)
    results = evaluate._evaluate_stage(stage, others={})
    errors_mm = {name: r["all"]["mpjpe_mm"] for name, r in results.items()}
    np.testing.assert_allclose(errors_mm["points"], 10 * 3**0.5, rtol=1e-4)
    np.testing.assert_allclose(errors_mm["points and keypoints"], 0.0, atol=1e-3)
    assert reported["results"] == results["points"]
    assert reported["with_keypoints"] == results["points and keypoints"]
    assert list(reported["others"]) == ["points and keypoints"]
    printed = capsys.readouterr().out
    assert "points without 2D keypoints above, points and keypoints here:" in printed
    assert printed.count("all joints") == 2


def test_a_network_without_keypoints_has_one_figure(stage, tmp_path, monkeypatch):
    stage.model["keypoints"] = False
    page = tmp_path / "index.html"
    monkeypatch.setattr(run_page, "report_run", lambda *args, **options: page)
    assert list(evaluate._evaluate_stage(stage, others={})) == ["points"]


def test_each_clip_is_decoded_once_but_for_those_that_are_drawn(
    stage, tmp_path, monkeypatch
):
    many = [index % len(SPLIT) for index in range(4 * stage.batch_size)]
    read = []

    class Split:
        protocol = SPLIT.protocol

        def __len__(self):
            return len(many)

        def __getitem__(self, index):
            read.append(index)
            return SPLIT[many[index]]

    monkeypatch.setattr(sources, "open_split", lambda data, name: Split())
    results = evaluate._evaluate_stage(stage, others={})
    np.testing.assert_allclose(
        results["points and keypoints"]["all"]["mpjpe_mm"], 0.0, atol=1e-3
    )
    drawn = examples.NUM_CLIPS + 2 * examples.NUM_EXTREMES + run_page.NUM_INPUTS
    assert len(read) <= len(many) + drawn + 1  # the first, for its fields
    assert set(read) == set(range(len(many)))
