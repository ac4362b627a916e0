"""The examples run as they are, on a small sample, and say what they promise."""

import ast
import importlib.util
import json
import pathlib
import re
import runpy
import subprocess
import sys

import jax
import numpy as np
import pytest

from configs import unipose
from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import data_set
from data_pipelines.sequences import sequence
from tests.test_run import ROOT
from unipose_jax.cli import sample

EXAMPLES = ROOT / "examples"
NAMES = [path.stem for path in sorted(EXAMPLES.glob("*.py"))]


@pytest.fixture
def run_example(
    monkeypatch, capsys, pools, sample_recording, tmp_path, forget_what_is_registered
):
    """`run_example(name, *arguments)`: lines that an example prints as a script.

    In this process and an empty folder: what it registers is forgotten, and it finds
    the sample and the rendered pools of this test run.
    """
    rendered_data = unipose.rendered_data

    def with_pools():
        data = rendered_data()
        data.cache_dir = pools
        return data

    def call(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sample, "cached", lambda: sample_recording)
    monkeypatch.setattr(unipose, "rendered_data", with_pools)
    return call


def log_of(lines):
    """The records of a log that is printed."""
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_examples_are_numbered_short_and_say_how_they_are_called():
    assert [name[:2] for name in NAMES] == [f"{n + 1:02}" for n in range(len(NAMES))]
    for name in NAMES:
        source = (EXAMPLES / f"{name}.py").read_text()
        assert len(source.splitlines()) < 60, name
        assert f"    python examples/{name}.py" in ast.get_docstring(
            ast.parse(source), clean=False
        )


def test_every_example_runs_here():
    calls = re.findall(r"run_example\(\"(\w+)\"", pathlib.Path(__file__).read_text())
    assert set(calls) == set(NAMES)


def test_a_recording_is_predicted(run_example, tmp_path):
    lines = run_example("01_predict")
    assert any(line.startswith("1.13 s: head at [") for line in lines)
    assert len(pose_file.read(tmp_path / "poses.npz")) == 18
    assert "class=viewer" in (tmp_path / "poses.html").read_text()


def test_keypoints_and_networks_are_compared(run_example):
    lines = run_example("02_keypoints")
    assert lines[0] == "COCO17 keypoints in 18 frames"
    errors = [int(line.split()[-6]) for line in lines if line.endswith("joints")]
    assert len(errors) == 3
    assert max(errors[1:]) < 100


def test_a_live_loop_says_where_the_head_is(run_example):
    lines = run_example("03_live_loop")
    assert re.fullmatch(r"1\.13 s: head at \[.*\] m, \d+%", lines[-1])


def test_refinement_reduces_errors(run_example):
    before, after = (
        [float(x) for x in re.findall(r"[\d.]+(?= m)", line)]
        for line in run_example("04_refine")
    )
    assert (np.array(after) < before).all()


def test_a_small_network_is_trained(run_example, traced_only):
    lines = run_example("05_train")
    assert sum(line.startswith("step ") for line in lines) == 6


def test_the_released_weights_are_adapted(run_example, traced_only, monkeypatch):
    # The sample here is short: each of the four devices needs a clip of each split.
    monkeypatch.setattr(
        data_set, "_time_part", lambda whole, *_: sequence.SubSequence.of(whole, 0, 18)
    )
    lines = run_example("06_adapt")
    assert lines[-1] == "poses of the adapted network: (18, 15, 3)"
    assert {"loss/point_to_ray", "loss/pseudo_position"} <= log_of(lines)[-1].keys()


def test_losses_train_a_network_of_somebody_else(run_example):
    with jax.numpy_rank_promotion("allow"):  # stax needs it
        lines = run_example("07_losses_in_your_jax_code")
    errors = [int(line.split()[-2]) for line in lines]
    assert errors[0] > 500  # mm
    assert errors[-1] < 70


def test_a_loss_of_ones_own_is_logged(run_example, traced_only):
    printed = [line.split() for line in run_example("08_own_loss")]
    values = [float(value) for name, value in printed if name == "loss/upright"]
    assert len(values) == 6  # four steps and two validations


@pytest.mark.slow
def test_a_loss_of_ones_own_is_trained_by_run_py(tmp_path, pools):
    config = unipose.get_config("smoke")
    command = [
        *(sys.executable, "run.py", "--config=examples/08_own_loss.py:smoke"),
        *(f"--workdir={tmp_path}", f"--config.data.cache_dir={pools}"),
        # One other term, as each takes time to compile.
        *(f"--config.loss_weights.{name}=0" for name in config.loss_weights),
        "--config.loss_weights.point_to_ray=1",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    values = [json.loads(line)["loss/upright"] for line in lines]
    assert len(values) == 6
    assert np.isfinite(values).all()
    assert min(values) >= 0.0 < max(values)
    assert json.loads((tmp_path / "metrics.json").read_text())["step"] > 0


def test_a_network_of_ones_own_is_trained(run_example):
    losses = [each["loss/total"] for each in log_of(run_example("09_own_network"))]
    assert len(losses) == 6
    assert losses[3] < losses[0]


def test_a_data_set_of_ones_own_is_trained_on(run_example, traced_only):
    log = log_of(run_example("10_own_dataset"))
    assert len(log) == 6
    assert "loss/point_to_ray" in log[-1]


def test_prepared_data_are_arrays_and_batches_of_tensors(run_example):
    lines = run_example("11_prepared_data")
    assert any(line.startswith("points: float32 (3, ") for line in lines)
    has_torch = importlib.util.find_spec("torch") is not None
    assert lines[-1].startswith("a batch of tensors: points (2, 3, ") == has_torch


def test_programs_without_the_package_read_exported_networks(run_example, tmp_path):
    run_example("12_export")
    printed = [run_example("13_consume_stablehlo")]
    if (tmp_path / "points.onnx").exists():
        printed.append(run_example("14_consume_onnx"))
    joints = json.loads((tmp_path / "points.json").read_text())["joints"]
    for lines in printed:
        assert [line.partition(":")[0] for line in lines] == joints


def test_requirements_install_the_package():
    assert "-e ." in (ROOT / "requirements.txt").read_text().splitlines()
