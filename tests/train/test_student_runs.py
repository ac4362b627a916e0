"""All stages in a row, from `run.py`: train, report, predict."""

import copy
import json
import pathlib
import re
import shutil

import jax
import numpy as np
import pytest

from configs import unipose
from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from tests import stages
from tests.test_run import run
from unipose_jax import errors, estimator
from unipose_jax.train import loop
from unipose_jax.train.checkpoints import folders, restore

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def config(pools):
    config = unipose.get_config("smoke")
    config.stages = folders.MODALITIES
    config.data.cache_dir = pools
    return config


@pytest.fixture(scope="module")
def trained(config, smoke_run, tmp_path_factory) -> pathlib.Path:
    """A run of all three stages, begun with the points alone."""
    workdir = tmp_path_factory.mktemp("runs") / "run"
    shutil.copytree(smoke_run.workdir, workdir)
    assert run("train", config, workdir=workdir) == 0
    return workdir


def test_every_stage_has_its_report_and_the_points_show_all(trained):
    for modality in folders.MODALITIES:
        folder = folders.folder_of(trained, modality)
        assert (folder / "metrics.json").is_file()
        assert (folder / "report/index.html").is_file()
    assert rows_of(trained) == ["points", "depth", "rgb"]


def test_students_without_points_are_compared_under_their_own_names(
    config, trained, tmp_path, capsys, traced_only
):
    for modality in ("depth", "rgb"):
        shutil.copytree(trained / modality, tmp_path / modality)
    assert run("evaluate", config, workdir=tmp_path) == 0
    assert "rgb, all joints" in capsys.readouterr().out
    assert rows_of(tmp_path / "depth") == ["depth", "rgb"]


def test_points_are_scored_on_data_without_crops(
    config, trained, tmp_path, capsys, traced_only
):
    of_points, config = copy.deepcopy(config), copy.deepcopy(config)
    of_points.stages = ("points",)
    made = tmp_path / "prepared"
    assert run("prepare", of_points, data_dir=made) == 0
    workdir = shutil.copytree(trained, tmp_path / "run")
    assert run("evaluate", config, workdir=workdir, data_dir=made) == 0
    said = capsys.readouterr()
    for modality in ("depth", "rgb"):
        assert f"{modality} is not scored: {made}" in said.err
    assert "prepared with crop_size=0" in said.err
    assert "all joints" in said.out
    # Where there are only students, nothing is left to score.
    shutil.rmtree(workdir / "checkpoints")
    with pytest.raises(errors.MissingCrops, match="prepared with crop_size=0"):
        run("evaluate", config, workdir=workdir, data_dir=made)


def rows_of(workdir: pathlib.Path) -> list[str]:
    """The modalities that a page compares, in its order."""
    page = (workdir / "report/index.html").read_text()
    section = page[page.index("Modalities") :]
    return re.findall(r"(\w+), all joints", section)


def test_teacher_is_left_as_it_was(trained):
    saved = [path.stat().st_mtime for path in (trained / "checkpoints").rglob("*")]
    first = (trained / "depth/log.jsonl").read_text().splitlines()[0]
    assert max(saved) < json.loads(first)["time"]


def test_finished_stages_rest(config, trained):
    for modality in folders.MODALITIES:
        settings = stages.values(config, modality, trained)
        log = folders.folder_of(trained, modality) / "log.jsonl"
        before = log.read_bytes()
        assert loop.train(stages.stage(settings, log.parent))
        assert log.read_bytes() == before


@pytest.mark.parametrize("modality", ["depth", "rgb"])
def test_students_predict_a_recording(config, trained, filmed, tmp_path, modality):
    where = {"workdir": trained, "input": filmed, "output": tmp_path / "p.npz"}
    assert run("predict", config, modality=modality, **where) == 0
    poses = pose_file.read(tmp_path / "p.npz")
    assert poses.xyz.shape == (2, 15, 3)
    assert np.isfinite(poses.xyz[poses.is_valid()]).all()
    # They see what they were trained on: crops as data sets have them.
    stage = stages.values(config, modality, trained)
    state = restore.restore_best(stages.stage(stage, trained / modality))
    network = estimator.from_config(stage, jax.device_get(state.ema_params))
    opened = recording.open_recording(filmed)
    track = tracks.read_track(opened, skeleton="ITOP15", stored_points=64, crop_size=32)
    frame = {name: value[None, None] for name, value in track.frame(1).items()}
    frame["cam_from_points"] = np.asarray(opened.color_from_depth, np.float32)[None]
    xyz, _ = network.from_fields(frame)
    np.testing.assert_allclose(poses.xyz[1], xyz[0, 0], atol=3e-3)  # of whole mm


def test_networks_see_clips_as_they_were_trained_on_them(
    config, trained, filmed, tmp_path
):
    other = copy.deepcopy(config)
    other.data.frames, other.data.num_points = 1, 16
    for name, settings in {"own": config, "other": other}.items():
        where = {
            "workdir": trained,
            "input": filmed,
            "output": tmp_path / f"{name}.npz",
        }
        assert run("predict", settings, modality="points", **where) == 0
    own, others = (pose_file.read(tmp_path / f"{n}.npz").xyz for n in ("own", "other"))
    np.testing.assert_array_equal(own, others)
    other.student.crop_size = 64
    with pytest.raises(errors.BadInput, match="crop_size is 32 there and 64 in the"):
        run("predict", other, modality="depth", **where)


def test_a_teacher_that_stopped_early_is_said(
    config, trained, tmp_path, capsys, monkeypatch
):
    class TaughtError(Exception):
        pass

    def teach(*arguments, teacher, **options):
        assert teacher is not None
        raise TaughtError

    config = copy.deepcopy(config)
    config.stages, config.num_train_steps = ("depth",), 400  # of the points
    shutil.copytree(trained / "checkpoints", tmp_path / "w" / "checkpoints")
    for path in (tmp_path / "w").rglob("meta/metadata"):
        path.write_text(
            re.sub(
                r'"num_train_steps": 4\b', '"num_train_steps": 400', path.read_text()
            )
        )
    monkeypatch.setattr(loop.sources, "open_train", teach)
    with pytest.raises(TaughtError):
        run("train", config, workdir=tmp_path / "w")
    said = capsys.readouterr().out
    assert f"the teacher in {tmp_path / 'w'} stopped at step 4 of 400" in said


def test_only_what_a_student_looks_at_is_read(config, trained, filmed, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(filmed, broken)
    for image in (broken / "color").iterdir():
        image.write_bytes(b"not an image")
    where = {"workdir": trained, "input": broken, "output": tmp_path / "p.npz"}
    assert run("predict", config, modality="depth", **where) == 0
    with pytest.raises(errors.BadInput, match="color"):
        run("predict", config, modality="rgb", **where)


def test_recording_without_colour_is_said(config, trained, filmed, tmp_path):
    gray = tmp_path / "gray"
    shutil.copytree(filmed, gray)
    shutil.rmtree(gray / "color")
    where = {"workdir": trained, "input": gray, "output": tmp_path / "p.npz"}
    with pytest.raises(errors.BadInput, match="frame 0 has no colour, which --moda"):
        run("predict", config, modality="rgb", **where)
    camera = json.loads((gray / "camera.json").read_text())
    del camera["color"]
    (gray / "camera.json").write_text(json.dumps(camera))
    with pytest.raises(errors.BadInput, match="no intrinsics for 'color', which"):
        run("predict", config, modality="rgb", **where)
    assert not (tmp_path / "p.npz").exists()


def test_colour_that_cannot_be_read_costs_the_pictures_their_colour_alone(
    filmed, tmp_path, capsys
):
    broken = shutil.copytree(filmed, tmp_path / "broken")
    for image in (broken / "color").iterdir():
        image.write_bytes(b"not an image")
    output = tmp_path / "p.npz"
    assert run("predict", input=broken, output=output, pictures=True) == 0
    assert "pictures have no colour" in capsys.readouterr().err
    assert (tmp_path / "p.html").exists()
