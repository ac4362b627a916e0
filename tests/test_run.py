"""The command line: what a user types, and what a mistake gives."""

import json
import pathlib
import shutil
import subprocess
import sys
import types

import cv2
import jax
import numpy as np
import pytest

from configs import pose_machine, unipose
from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from tests import filmed_people, stages
from unipose_jax import errors, estimator
from unipose_jax.cli import commands, modes, prepare

ROOT = pathlib.Path(__file__).resolve().parents[1]


def run(mode: str, config=None, **options) -> int:
    flags = modes.defaults() | {"pictures": False, "compile_cache": ""}
    for name, value in options.items():
        is_path = isinstance(value, pathlib.PurePath)
        flags[name] = str(value) if is_path else value
    return commands.run(mode, config, types.SimpleNamespace(**flags))


def shell(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "run.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_smoke_run_writes_metrics_pictures_and_page(smoke_run, tmp_path):
    record = json.loads((smoke_run.workdir / "metrics.json").read_text())
    assert record["step"] == 4 or record["step"] == 2  # the best of two checkpoints
    assert set(record["results"]) == {"all", "visible", "occluded"}
    assert sum(row["num_frames"] for row in record["conditions"].values()) == 2 * 18
    page = (smoke_run.workdir / "report" / "index.html").read_text()
    assert "rendered" in page
    assert "turned" in page
    assert list((smoke_run.workdir / "report" / "figures").glob("*.png"))
    assert "mAP@10cm" in smoke_run.printed
    workdir = shutil.copytree(smoke_run.workdir, tmp_path / "w")
    (workdir / "metrics.json").unlink()
    assert run("evaluate", smoke_run.config, workdir=workdir) == 0
    again = json.loads((workdir / "metrics.json").read_text())
    assert again["results"] == record["results"]


@pytest.mark.slow
def test_the_config_of_a_run_is_in_its_workdir(
    smoke_run, rendered_recording, tmp_path, traced_only
):
    workdir = shutil.copytree(smoke_run.workdir, tmp_path / "w")
    (workdir / "metrics.json").unlink()
    assert run("evaluate", workdir=workdir) == 0
    assert (workdir / "metrics.json").exists()
    where = {"workdir": workdir, "input": rendered_recording}
    assert run("predict", output=tmp_path / "a.npz", **where) == 0
    assert run("predict", smoke_run.config, output=tmp_path / "b.npz", **where) == 0
    poses = [pose_file.read(tmp_path / f"{name}.npz").xyz for name in "ab"]
    np.testing.assert_array_equal(*poses)
    with pytest.raises(errors.BadInput, match="no network for depth, but for points"):
        run("predict", output=tmp_path / "c.npz", modality="depth", **where)


@pytest.mark.parametrize("modality", ["points", "depth"])
def test_shipped_weights_predict_a_recording(rendered_recording, tmp_path, modality):
    output = tmp_path / "poses.npz"
    what = {"input": rendered_recording, "output": output, "modality": modality}
    assert run("predict", pictures=True, **what) == 0
    poses = pose_file.read(output)
    assert poses.skeleton == "ITOP15"
    assert len(poses) == 4
    truth = pose_file.read(rendered_recording / "joints.npz")
    error = np.linalg.norm(poses.xyz - truth.xyz, axis=-1)
    assert np.median(error) < 0.08  # metres
    assert poses.quality.min() > 0.5
    assert "class=viewer" in (tmp_path / "poses.html").read_text()


@pytest.mark.slow
def test_recordings_with_keypoints_alone_train_a_network(
    rendered_people, tmp_path, capsys
):
    config = unipose.get_config("smoke")
    config.data.skeleton, config.model.num_blocks = "COCO17", 1
    stages.keep_one_term(config)
    folder = tmp_path / "recordings"
    filmed_people.write(folder, rendered_people)
    for person in folder.glob("*/person"):  # no truth, picture or mask
        (person / "joints.npz").unlink()
        shutil.rmtree(person / "color")
        shutil.rmtree(person / "mask")
    config.data.name, config.data.path = "recording", str(folder)
    assert run("train", config, workdir=tmp_path / "w") == 0
    assert "no 3D truth" in capsys.readouterr().out
    output = tmp_path / "poses.npz"
    assert (
        run(
            "predict",
            config,
            workdir=tmp_path / "w",
            input=folder / "test" / "person",
            output=output,
        )
        == 0
    )
    assert pose_file.read(output).skeleton == "COCO17"


def test_the_page_of_a_prediction_replaces_no_other_file(rendered_recording, tmp_path):
    (tmp_path / "poses.html").write_text("mine")
    output = tmp_path / "poses.npz"
    with pytest.raises(errors.BadInput, match="which is something else"):
        run("predict", input=rendered_recording, output=output, pictures=True)
    assert (tmp_path / "poses.html").read_text() == "mine"
    assert not output.exists()


@pytest.mark.slow
def test_other_data_is_evaluated_beside_the_run(smoke_run, tmp_path, traced_only):
    workdir = shutil.copytree(smoke_run.workdir, tmp_path / "w")
    config = smoke_run.config.copy_and_resolve_references()
    before = (workdir / "metrics.json").read_text()
    for name, value in {"seed": 1, "test_clips": 4}.items():
        config.data[name] = value
        assert run("evaluate", config, workdir=workdir) == 0
    assert (workdir / "metrics.json").read_text() == before
    assert len(list((workdir / "evaluations").glob("*/metrics.json"))) == 2


def spoil_missing(path):
    for file in sorted(path.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    path.rmdir()


def spoil_empty(path):
    for file in (path / "depth").iterdir():
        file.unlink()


def spoil_eight_bit(path):
    for file in (path / "depth").iterdir():
        cv2.imwrite(str(file), np.full((96, 128), 7, np.uint8))


def spoil_zero(path):
    for file in (path / "depth").iterdir():
        cv2.imwrite(str(file), np.zeros((96, 128), np.uint16))


def spoil_camera(path):
    camera = json.loads((path / "camera.json").read_text())
    del camera["depth"]["fx"]
    (path / "camera.json").write_text(json.dumps(camera))


def spoil_nobody(path):
    for file in (path / "depth").iterdir():
        cv2.imwrite(str(file), np.full((96, 128), 3000, np.uint16))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_missing, "no recording"),
        (spoil_empty, "depth"),
        (spoil_eight_bit, "16"),
        (spoil_zero, "empty"),
        (spoil_camera, "fx"),
        (spoil_nobody, "no frame shows a person"),
    ],
)
def test_unusable_recording_is_one_line_and_leaves_nothing(
    spoil, message, rendered_recording, tmp_path
):
    copy = tmp_path / "copy"
    shutil.copytree(rendered_recording, copy)
    spoil(copy)
    with pytest.raises(errors.BadInput, match=message) as caught:
        run("predict", input=copy, output=tmp_path / "p.npz")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "p.npz").exists()


def test_depth_with_nan_is_depth_without_it(rendered_recording):
    opened = recording.open_recording(rendered_recording)
    network = estimator.load_shipped()
    clean, dirty = (
        estimator.OnlineEstimator(network, opened.rays, opened.depth_camera.intrinsics)
        for _ in range(2)
    )
    depth = opened.depth(0)
    expected = clean(depth, 0.0)
    result = dirty(np.where(depth == 0, np.nan, depth), 0.0)
    np.testing.assert_array_equal(result[0], expected[0])
    assert dirty(np.full_like(depth, np.nan), 0.1) is None


def test_live_takes_few_points_again(rendered_recording):
    """Clouds are sampled with repetition as in rendered clips, without padding."""
    opened = recording.open_recording(rendered_recording)
    network = estimator.load_shipped()
    live = estimator.OnlineEstimator(
        network, opened.rays, opened.depth_camera.intrinsics
    )
    xyz = np.random.default_rng(0).normal(0.0, 0.3, (100, 3)) + [0.0, 0.0, 3.0]
    assert live.from_points(xyz, 0.0) is not None
    (frame,) = live._window
    assert frame["points"].shape == (network.num_points, 3)
    assert frame["points_valid"].all()


def test_missing_workdir_or_checkpoint_is_said(tmp_path):
    config = unipose.get_config("smoke")
    with pytest.raises(errors.BadInput, match="--workdir is missing"):
        run("train", config)
    with pytest.raises(errors.BadInput, match="no checkpoint in"):
        run("evaluate", config, workdir=tmp_path)
    with pytest.raises(errors.BadInput, match="--config"):
        run("train", workdir=tmp_path)


@pytest.mark.parametrize(
    ("folder", "used"), [("gs://bucket/cache", "gs://bucket/cache"), ("~/c", "/home/c")]
)
def test_the_compile_cache_may_be_remote(monkeypatch, folder, used):
    set_to = {}
    monkeypatch.setenv("HOME", "/home")
    monkeypatch.setattr(jax.config, "update", set_to.__setitem__)
    commands.enable_compilation_cache(folder)
    assert set_to["jax_compilation_cache_dir"] == used


@pytest.mark.parametrize(
    ("mode", "options", "setting", "message"),
    [
        (
            "train",
            {"workdir": "gs://bucket/run"},
            {},
            "--workdir=gs://bucket/run: only",
        ),
        (
            "train",
            {"workdir": "w", "checkpoint_dir": "s3://b/run"},
            {},
            "--checkpoint_dir=s3://b/run: use a folder, or gs://",
        ),
        ("evaluate", {"workdir": "s3://bucket/run"}, {}, "--workdir=s3://bucket/run: "),
        (
            "predict",
            {"input": "r", "output": "gs://b/p.npz"},
            {},
            "--output=gs://b/p.n",
        ),
        ("prepare", {"source": "gs://b", "data_dir": "d"}, {}, "--source=gs://b: only"),
        (
            "train",
            {"data_dir": "gs://b"},
            {},
            "config.data.data_dir=gs://b: only local",
        ),
        (
            "train",
            {"workdir": "w"},
            {"student.teacher.workdir": "gs://b/run"},
            "config.student.teacher.workdir=gs://b/run: only local",
        ),
    ],
)
def test_remote_paths_are_refused_and_leave_no_folder(
    tmp_path, monkeypatch, mode, options, setting, message
):
    monkeypatch.chdir(tmp_path)
    config = unipose.get_config("smoke")
    config.data.name = "recording" if mode == "prepare" else "synthetic"
    config.update_from_flattened_dict(setting)
    with pytest.raises(errors.BadInput, match=message) as caught:
        run(mode, None if mode == "predict" else config, **options)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("modality", "message"),
    [
        ("points", "recordings; pose_machine does not"),
        ("depth", "a pose_machine has no network for depth"),
    ],
)
def test_prediction_is_of_networks_that_see(
    rendered_recording, tmp_path, modality, message
):
    where = {"workdir": tmp_path, "input": rendered_recording, "output": "p.npz"}
    with pytest.raises(errors.BadInput, match=message):
        run("predict", pose_machine.get_config("smoke"), modality=modality, **where)


@pytest.mark.parametrize(
    ("stages", "fusion", "crop_size"),
    [(("points",), "none", 0), (("rgb",), "none", 32), (("points",), "rgb", 32)],
)
def test_prepared_data_have_all_crops_or_none(
    monkeypatch, tmp_path, stages, fusion, crop_size
):
    asked = []
    monkeypatch.setattr(
        prepare, "prepare_data", lambda data, *_, **__: asked.append(data)
    )
    config = unipose.get_config("smoke")
    config.stages, config.model.fusion = stages, fusion
    run("prepare", config, data_dir=tmp_path)
    assert asked[0].crop_size == crop_size
    assert asked[0].crops == ("depth", "rgb")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--mode=predict", "--input=nowhere", "--output=p.npz"), "nowhere"),
        (
            (
                "--config=configs/unipose.py:smoke",
                "--config.model.widht=3",
                "--workdir=w",
            ),
            "widht",
        ),
        (("--config=configs/unipose.py:slow", "--workdir=w"), "slow"),
        (("--config=configs/nothing.py", "--workdir=w"), "nothing"),
        (("--mode=bake",), "bake"),
        (("--config=LICENSE", "--workdir=w"), "LICENSE:"),
        (
            ("--config=tests/broken_config.py", "--workdir=w"),
            "tests/broken_config.py:9: AttributeError: 'str' object has no attribute",
        ),
    ],
)
def test_mistake_is_one_line_and_status_2(arguments, message):
    result = shell(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line]
    assert len(lines) == 1
    assert message in lines[0]


def test_networks_of_crops_say_that_they_take_no_points(rendered_recording):
    opened = recording.open_recording(rendered_recording)
    network = estimator.load_shipped("depth")
    with pytest.raises(ValueError, match="depth_anchor_net takes .*, not points"):
        estimator.OnlineEstimator(network, opened.rays, opened.depth_camera.intrinsics)
    with pytest.raises(ValueError, match="use from_fields"):
        network(np.zeros((1, 3, 8, 3)), np.ones((1, 3, 8), bool), np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_processes": 2}, "need --coordinator=HOST:PORT"),
        (
            {"coordinator": "127.0.0.1:9", "num_processes": 2, "process_id": 2},
            "--process_id=2 is not from 0 to --num_processes=2 - 1",
        ),
        ({"coordinator": "auto"}, "--coordinator=auto: "),
    ],
)
def test_hosts_that_cannot_be_joined_are_said(tmp_path, monkeypatch, options, message):
    def initialize():
        raise ValueError("coordinator_address should be\ndefined.")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(errors.BadInput, match=message) as caught:
        run("train", unipose.get_config("smoke"), workdir=tmp_path / "w", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "w").exists()
