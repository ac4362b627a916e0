import pathlib

import pytest
from absl import app

from benchmarks import plan

STUDY = pathlib.Path("study")


@pytest.mark.parametrize(
    ("text", "modality", "name", "folder", "record"),
    [
        ("unipose", "points", "unipose", "unipose-0", "metrics.json"),
        ("unipose+depth", "points", "unipose+depth", "unipose-0", "depth/metrics.json"),
        ("unipose", "rgb", "unipose", "unipose.rgb-0", "rgb/metrics.json"),
        (
            "ablations/projection",
            "points",
            "projection",
            "projection-0",
            "metrics.json",
        ),
    ],
)
def test_where_the_runs_of_an_entry_live(text, modality, name, folder, record):
    entry = plan.entry_of(text, modality)
    assert entry.name == name
    assert entry.folder(STUDY, "", "0") == STUDY / folder
    assert entry.record(STUDY / folder) == STUDY / folder / record


def test_points_and_their_student_share_a_folder_for_each_value_and_seed():
    points = plan.entry_of("unipose", "points")
    student = plan.entry_of("unipose+depth", "points")
    varied = plan.varied("config.data.scene.detector.noise", "8.0")
    folders = {entry.folder(STUDY, varied, "2") for entry in (points, student)}
    assert folders == {STUDY / "unipose-noise=8.0-2"}
    assert points.folder(STUDY, "", "2") not in folders


def test_what_is_no_student_is_said():
    with pytest.raises(app.UsageError, match="'unipose[+]points' names no student"):
        plan.entry_of("unipose+points", "points")


def test_a_sweep_has_a_key_and_values():
    assert plan.parse_sweep(None) == ("", [""])
    assert plan.parse_sweep("config.seed=1,2") == ("config.seed", ["1", "2"])
    with pytest.raises(app.UsageError, match="has no values"):
        plan.parse_sweep("config.seed")


def test_a_run_is_not_taken_for_one_of_other_settings(tmp_path, monkeypatch):
    made = {"variant": "quick", "settings": ["config.num_train_steps=50"]}
    longer = made | {"settings": ["config.num_train_steps=1200"]}
    for settings in (longer, made, made):  # nothing was trained with the first
        plan.check_settings(tmp_path / "run", settings)
    monkeypatch.setattr(plan.checkpoint, "newest_step", lambda folder: 50)
    message = r"run was made with settings \['config.num_train_steps=50'\], not"
    with pytest.raises(SystemExit, match=message):
        plan.check_settings(tmp_path / "run", longer)
    plan.check_settings(tmp_path / "run", made)  # which has not changed that
    with pytest.raises(SystemExit, match="no settings.json tells the settings"):
        plan.check_settings(tmp_path / "older", made)
