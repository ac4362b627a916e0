"""The scripts of examples/ that no other test runs, at their smallest."""

import functools
import json
import re
import runpy
import shutil
import subprocess
import sys

import numpy as np
import pytest

from configs import unipose
from data_pipelines.ground import pose_file
from data_pipelines.readers import registry
from data_pipelines.readers.recordings import recording
from data_pipelines.rendered import clip_pool
from examples import check_on_real_data, export_weights, refine_kinect_clip
from tests import config_data
from tests.test_run import ROOT, run
from unipose_jax import errors, estimator, models
from unipose_jax.synthesis import pools as render
from unipose_jax.train.recipes import terms

EXAMPLES = ROOT / "examples"

CONFIGS = ("own_dataset", "own_loss", "own_network")  # used as --config of run.py
SCRIPTS_WITH_ARGUMENTS = [
    path
    for path in sorted((ROOT / "examples").glob("*.py"))
    if path.stem not in (*CONFIGS, "reuse_a_loss")
]


@pytest.fixture
def turning(rendered_recording, tmp_path):
    """A folder with one recording of a static camera under the names of the samples."""
    opened = recording.open_recording(rendered_recording)
    recording.write_recording(
        tmp_path / "turning_person",
        depth=[opened.depth(index) for index in range(len(opened))],
        depth_camera=opened.depth_camera,
        fps=15.0,
        world_from_depth=np.eye(4),
    )
    for view in range(2):
        (tmp_path / f"panoptic_{view}").symlink_to(tmp_path / "turning_person")
    return tmp_path


def test_joints_that_agree_scatter_little(turning, capsys):
    check_on_real_data.main(turning, "depth")
    report = json.loads(capsys.readouterr().out)
    assert report["panoptic"]["views"] == 2
    # The same view twice.
    assert set(report["panoptic"]["scatter_mm"].values()) == {0}
    person = report["turning_person"]
    assert max(person["scatter_mm"].values()) < 100  # mm, in 0.2 s
    assert person["inside_mask"] > 0.5


def test_missing_weights_are_refused(turning):
    with pytest.raises(errors.BadInput, match="no weights .*nowhere; use a path, poin"):
        check_on_real_data.main(turning, str(turning / "nowhere"))


def test_kinects_own_poses_are_refined_and_drawn(sample_data, tmp_path):
    output = tmp_path / "clip.npz"
    refine_kinect_clip.main(sample_data / "ntu", "S001C001P001R001A001", output)
    assert len(pose_file.read(output)) > 50
    page = (tmp_path / "clip.html").read_text()
    found = re.search(r'<script type="application/json">(.*?)</script>', page, re.S)
    (scene,) = json.loads(found.group(1))["scenes"]
    assert len(scene["pictures"]["files"]) == len(scene["shown"]) > 50


@pytest.mark.slow
def test_weights_of_a_run_are_exported(smoke_run, tmp_path):
    shutil.copytree(smoke_run.workdir, tmp_path / "w")
    export_weights.main(tmp_path / "w", tmp_path / "mine")
    assert estimator.load(tmp_path / "mine").skeleton == "ITOP15"
    (tmp_path / "w" / "metrics.json").unlink()
    with pytest.raises(errors.BadInput, match="run --mode=evaluate first"):
        export_weights.main(tmp_path / "w", tmp_path / "mine")
    with pytest.raises(errors.BadInput, match="no checkpoint in .*; train there first"):
        export_weights.main(tmp_path / "w", tmp_path / "mine", "depth")
    with pytest.raises(errors.BadInput, match="unknown modality 'colour'; use one of"):
        export_weights.main(tmp_path / "w", tmp_path / "mine", "colour")


def test_requirements_install_the_package():
    assert "-e ." in (ROOT / "requirements.txt").read_text().splitlines()


@pytest.mark.slow
def test_a_data_set_of_ones_own_is_trained_on(tmp_path, monkeypatch, traced_only):
    scene = unipose.get_config("smoke").data
    scene.skeleton = "COCO17"
    scene.frames, scene.scene.height, scene.scene.width = 12, 96, 128
    params = clip_pool.scene_params(config_data.typed(scene), "test")
    clip = render.render_pool(0, "test", 0, 1, params, extras=("depth",))
    camera, xyz = clip["depth_intrinsics"][0], clip["xyz"][0]
    uv = xyz[..., :2] / xyz[..., 2:] * camera[:2] + camera[2:]
    keypoints = np.dstack([uv, clip["confidence"][0]])
    for split in ("train", "validation", "test"):
        folder = tmp_path / "clips" / split / "person"
        folder.mkdir(parents=True)
        np.save(folder / "depth.npy", clip["depth"][0])
        np.save(folder / "keypoints.npy", keypoints)
        np.save(folder / "intrinsics.npy", camera)
        np.save(folder / "time.npy", np.arange(12) / 15.0)
    monkeypatch.setattr(registry, "READERS", dict(registry.READERS))
    config = runpy.run_path(str(EXAMPLES / "own_dataset.py"))["get_config"]("smoke")
    config.data.path = str(tmp_path / "clips")
    assert run("train", config, workdir=tmp_path / "w") == 0
    record = json.loads((tmp_path / "w" / "metrics.json").read_text())
    assert record["step"] > 0
    assert len(loss_log(tmp_path / "w", "loss/point_to_ray")) == 6
    batch = next(config_data.open_train(config))
    assert np.isfinite(batch["points"]).all()
    assert batch["points_valid"].any()
    assert (batch["confidence"] > 0).any()
    assert len((EXAMPLES / "own_dataset.py").read_text().splitlines()) < 40


def loss_log(workdir, name):
    """The values of a term in the log of a run."""
    lines = (workdir / "log.jsonl").read_text().splitlines()
    return [json.loads(line)[name] for line in lines]


@pytest.fixture
def run_script(monkeypatch, capsys, pools):
    """`run_script(name)`: what an example prints as a script, without its arguments.

    In this process: what it registers is forgotten, and it finds the rendered pools.
    """
    rendered_data = unipose.rendered_data

    def with_pools():
        data = rendered_data()
        data.cache_dir = pools
        return data

    def call(name):
        source = EXAMPLES / f"{name}.py"
        assert len(source.read_text().splitlines()) < 40
        runpy.run_path(str(source), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    monkeypatch.setattr(unipose, "rendered_data", with_pools)
    monkeypatch.setattr(terms, "_REGISTERED", dict(terms._REGISTERED))
    monkeypatch.setattr(models, "NETWORKS", dict(models.NETWORKS))
    return call


def test_a_loss_of_ones_own_is_logged(run_script, traced_only):
    printed = [line.split() for line in run_script("own_loss")]
    values = [float(value) for name, value in printed if name == "loss/upright"]
    assert len(values) == 6  # four steps and two validations


@pytest.mark.slow
def test_a_loss_of_ones_own_is_trained_by_run_py(tmp_path, pools):
    config = unipose.get_config("smoke")
    command = [
        *(sys.executable, "run.py", "--config=examples/own_loss.py:smoke"),
        *(f"--workdir={tmp_path}", f"--config.data.cache_dir={pools}"),
        # One other term, as each takes time to compile.
        *(f"--config.loss_weights.{name}=0" for name in config.loss_weights),
        "--config.loss_weights.point_to_ray=1",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    values = loss_log(tmp_path, "loss/upright")
    assert len(values) == 6
    assert np.isfinite(values).all()
    assert min(values) >= 0.0 < max(values)
    assert json.loads((tmp_path / "metrics.json").read_text())["step"] > 0


def test_a_network_of_ones_own_is_trained(run_script):
    lines = run_script("own_network")
    losses = [json.loads(line)["loss/total"] for line in lines if line.startswith("{")]
    assert len(losses) == 6
    assert losses[3] < losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS_WITH_ARGUMENTS, ids=lambda path: path.name)
def test_scripts_run_from_the_repository_root(path):
    if not installed():
        pytest.skip("the package is not installed; pip install -r requirements.txt")
    done = subprocess.run(
        [sys.executable, path.relative_to(ROOT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stderr.startswith(f"usage: {path.name}"), done.stderr
    assert done.returncode == 1


@functools.cache
def installed() -> bool:
    """Whether the package can be imported from any folder."""
    command = [sys.executable, "-P", "-c", "import unipose_jax, data_pipelines"]
    return subprocess.run(command, capture_output=True).returncode == 0
