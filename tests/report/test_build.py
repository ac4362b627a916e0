import json

import numpy as np
import pytest

from tests.report.viewer import scenes
from unipose_jax.report import build, page, tables


def write(folder, **options):
    options = {"title": "T", "skeleton": "ITOP15", "rendered": True} | options
    return build.write_report(folder, **options).read_text(encoding="utf-8")


def write_everything(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps({"step": 1, "split": "train", "loss/total": 1.0}))
    return write(
        tmp_path / "report",
        results={"metrics": tables.metrics_table({"weak": {"mpjpe_mm": 61.0}})},
        log=log,
        joint_errors_mm={"weak": np.arange(15.0)},
        scenes=[scenes.make()],
        config={"data": {"name": "synthetic <b>"}},
        sections=[page.Section("Extra", text="words")],
    )


def test_everything_is_written_and_shown(tmp_path):
    source = write_everything(tmp_path)
    folder = tmp_path / "report"
    assert source.count("class=viewer") == source.count("class=curves>") == 1
    assert "--share:100%" in source
    stems = {path.stem for path in (folder / "tables").iterdir()}
    assert stems == {"metrics", "joints"}
    assert "61.0" in source
    assert "synthetic &lt;b&gt;" in source
    assert "words" in source


@pytest.mark.parametrize("rendered", [True, False])
def test_a_page_of_rendered_data_has_a_notice(tmp_path, rendered):
    assert (build.RENDERED in write(tmp_path, rendered=rendered)) == rendered


def test_a_report_that_was_interrupted_is_replaced(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "_run_sections", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_everything(tmp_path)
    assert page.is_ours(tmp_path / "report" / "index.html")
    assert "not finished" in (tmp_path / "report" / "index.html").read_text()
    monkeypatch.undo()
    assert "not finished" not in write(tmp_path / "report")


def test_an_empty_run_still_has_a_page(tmp_path):
    source = write(tmp_path, log=tmp_path / "absent.jsonl")
    assert "<h1>T</h1>" in source
    assert "<h2>" not in source
