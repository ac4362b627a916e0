"""The scripts of examples/ that no other test runs, at their smallest."""

import json
import subprocess
import sys

import numpy as np
import pytest

from configs import unipose
from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from examples import check_on_real_data, refine_kinect_clip
from tests.test_run import ROOT, run
from unipose_jax import errors, estimator


@pytest.fixture
def turning(rendered_recording, tmp_path):
    """A folder with one recording of a camera that stands still, by another name."""
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
    # Twice the same view.
    assert set(report["panoptic"]["scatter_mm"].values()) == {0}
    person = report["turning_person"]
    assert max(person["scatter_mm"].values()) < 100  # mm, in 0.2 s
    assert person["inside_mask"] > 0.5


def test_weights_that_are_not_there_are_said(turning):
    with pytest.raises(errors.BadInput, match="nowhere is none of points, depth, rgb"):
        check_on_real_data.main(turning, str(turning / "nowhere"))


def test_kinects_own_poses_are_refined_and_drawn(sample_data, tmp_path):
    output = tmp_path / "clip.npz"
    refine_kinect_clip.main(sample_data / "ntu", "S001C001P001R001A001", output)
    assert len(pose_file.read(output)) > 50
    assert (tmp_path / "clip" / "poses.png").is_file()


@pytest.mark.slow
def test_weights_of_a_run_are_exported(tmp_path):
    config = unipose.get_config("smoke")
    config.data.cache_dir = ""
    assert run("train", config, workdir=tmp_path / "w") == 0
    command = [
        *(sys.executable, "-m", "examples.export_weights"),
        *("--config=configs/unipose.py:smoke", f"--workdir={tmp_path / 'w'}"),
        f"--output={tmp_path / 'mine'}",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert estimator.load(tmp_path / "mine").skeleton == "ITOP15"
    (tmp_path / "w" / "metrics.json").unlink()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "run --mode=evaluate first" in done.stderr
