"""`--mode=report` with several runs."""

import json

import pytest

from unipose_jax import errors
from unipose_jax.cli import command_line, paths, report
from unipose_jax.train.checkpoints import checkpoint


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two folders of runs that share their last name; the second is not evaluated."""
    monkeypatch.setattr(
        checkpoint,
        "latest_meta",
        lambda path: {"config": {"seed": path.parent.name, "data": {}}},
    )
    found = [tmp_path / name / "run" for name in ("a", "b")]
    for path in found:
        path.mkdir(parents=True)
    group = {"num_frames": 2, "mpjpe_mm": 50.0, "joint_mpjpe_mm": {}}
    results = dict.fromkeys(("all", "visible", "occluded"), group)
    (found[0] / "metrics.json").write_text(
        json.dumps({"step": 1, "protocol": "P.", "results": results})
    )
    return found


def test_runs_are_compared_beside_them(runs, tmp_path, capsys):
    output = report.page_of(runs)
    assert output == tmp_path / "comparison.html"
    assert report.compare(runs, output) == 0
    text = output.read_text()
    assert "a/run · b/run" in text
    assert "<th scope=row>seed</th>" in text
    assert "b/run is not evaluated" in capsys.readouterr().err


def test_scores_of_another_kind_are_left_out(runs, tmp_path, capsys):
    """A WSP run has accuracies of depth orders."""
    (runs[1] / "metrics.json").write_text('{"step": 1, "protocol": "Q.", "pairs": 3}')
    assert report.compare(runs, tmp_path / "c.html") == 0
    assert "b/run is scored otherwise than by 3D poses" in capsys.readouterr().err
    assert "Q." not in (tmp_path / "c.html").read_text()


def test_mistakes_are_one_line(runs, tmp_path):
    with pytest.raises(errors.BadInput, match="same run twice"):
        report.compare([runs[0], runs[0]], tmp_path / "c.html")
    with pytest.raises(errors.BadInput, match="no run at"):
        report.compare([runs[0], tmp_path / "none"], tmp_path / "c.html")
    with pytest.raises(errors.BadInput, match=r"end in \.html"):
        report.compare(runs, tmp_path / "c.pdf")
    (runs[1] / "metrics.json").write_text("{")
    with pytest.raises(errors.BadInput, match="is not valid JSON"):
        report.compare(runs, tmp_path / "c.html")
    assert not (tmp_path / "c.html").exists()


def test_a_folder_without_a_run_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(errors.BadInput, match="no checkpoint of a run"):
        report.compare([tmp_path / "a", tmp_path / "b"], tmp_path / "c.html")


def test_other_modes_take_one_run():
    line = ["run.py", "--mode=report", "--workdir=a", "--workdir=b"]
    options = command_line.parse(line).options
    assert [path.name for path in paths.several(options, "workdir")] == ["a", "b"]
    with pytest.raises(errors.BadInput, match="--workdir is given twice"):
        paths.optional(options, "workdir")
