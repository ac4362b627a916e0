import json

import numpy as np
import pytest

from unipose_jax import atomic, errors
from unipose_jax.report import build, page, tables
from unipose_jax.report.draw import canvas, clip_data

XYZ = np.random.default_rng(0).uniform((-0.5, -1, 2.5), (0.5, 1, 3.5), (4, 15, 3))


def make_clip(frames=4, **fields):
    return clip_data.Clip(
        name="clip <1>",
        skeleton="ITOP15",
        xyz=XYZ[:frames],
        truth=XYZ[:frames] + (0.03, 0.04, 0.0),
        depth=np.full((frames, 48, 64), 3.0, np.float32),
        intrinsics=np.array([60.0, 60.0, 32.0, 24.0]),
        time=np.arange(frames) / 10.0,
        **fields,
    )


def write(folder, **options):
    options = {"title": "T", "skeleton": "ITOP15", "rendered": True} | options
    return build.write_report(folder, **options).read_text(encoding="utf-8")


@pytest.fixture
def unrendered(monkeypatch):
    """Pictures are files without content, which takes no time."""
    monkeypatch.setattr(
        canvas, "save", lambda fig, path: atomic.write_bytes(path, b"picture")
    )


def write_everything(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps({"step": 1, "split": "train", "loss/total": 1.0}))
    return write(
        tmp_path / "report",
        results={"metrics": tables.metrics_table({"weak": {"mpjpe_mm": 61.0}})},
        log=log,
        joint_errors_mm={"weak": np.arange(15.0)},
        clips=[make_clip(frames=2, keypoints=np.full((2, 15, 2), 30.0))],
        config={"data": {"name": "synthetic <b>"}},
        sections=[page.Section("Extra", text="words")],
    )


def test_everything_is_written_and_shown(tmp_path):
    source = write_everything(tmp_path)
    folder = tmp_path / "report"
    names = {path.name for path in (folder / "figures").iterdir()}
    assert names == {
        "curves.png",
        "joint_errors.png",
        "00_clip_1.gif",
        "00_clip_1_sheet.png",
        "00_clip_1_depth.png",
        "00_clip_1_3d.png",
        "00_clip_1_rays.png",
    }
    assert all(f"figures/{name}" in source for name in names)
    stems = {path.stem for path in (folder / "tables").iterdir()}
    assert stems == {"metrics", "joints"}
    assert "61.0" in source
    assert "synthetic &lt;b&gt;" in source
    assert "words" in source


@pytest.mark.parametrize("rendered", [True, False])
def test_a_page_of_rendered_data_has_a_notice(tmp_path, rendered):
    assert (build.RENDERED in write(tmp_path, rendered=rendered)) == rendered


def test_reports_replace_older_ones_and_nothing_else(tmp_path):
    build.check_folder(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    build.check_folder(tmp_path / "empty")
    write(tmp_path / "ours")
    build.check_folder(tmp_path / "ours")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("<html>my page</html>")
    (tmp_path / "paper" / "figures").mkdir(parents=True)
    (tmp_path / "file").write_text("mine")
    for name in ("mine", "paper", "file"):
        with pytest.raises(errors.BadInput, match=f"{name}, which holds something"):
            build.check_folder(tmp_path / name)


def test_a_report_that_was_interrupted_is_replaced(tmp_path, monkeypatch, unrendered):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "_clip_sections", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_everything(tmp_path)
    build.check_folder(tmp_path / "report")
    assert "not finished" in (tmp_path / "report" / "index.html").read_text()
    monkeypatch.undo()
    assert "not finished" not in write(tmp_path / "report")


def test_an_empty_run_still_has_a_page(tmp_path):
    source = write(tmp_path, log=tmp_path / "absent.jsonl")
    assert "<h1>T</h1>" in source
    assert "<h2>" not in source


def test_without_matplotlib_there_are_tables_and_a_note(tmp_path, without_matplotlib):
    source = write_everything(tmp_path)
    assert build.NO_PICTURES in source
    assert "61.0" in source
    assert "left shoulder" in source
    assert not (tmp_path / "report" / "figures").exists()


def test_one_frame_makes_no_animation(tmp_path, unrendered):
    write(tmp_path, clips=[make_clip(frames=1)])
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["00_clip_1_3d.png", "00_clip_1_depth.png"]


def test_clips_of_one_name_do_not_overwrite_each_other(tmp_path, unrendered):
    write(tmp_path, clips=[make_clip(frames=1), make_clip(frames=1)])
    assert len(list((tmp_path / "figures").iterdir())) == 4
