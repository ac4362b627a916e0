"""The scripts of benchmarks/ that maintainers call with arguments."""

import json
import re
import runpy
import shutil
import sys

import pytest

from benchmarks import export_weights, refine_kinect_clip
from data_pipelines.ground import pose_file
from tests.test_run import ROOT
from unipose_jax import errors, estimator

SCRIPTS = (
    "draw_skeletons",
    "export_weights",
    "refine_kinect_clip",
    "train_pose_prior",
    "real.sample_recordings",
)


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


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_say_what_they_need(name, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name])
    path = ROOT / "benchmarks" / f"{name.replace('.', '/')}.py"
    with pytest.raises(SystemExit, match=rf"^usage: {path.name}"):
        runpy.run_path(str(path), run_name="__main__")
