"""The sample recording: what a new user tries the program with."""

import dataclasses

import jax
import numpy as np
import pytest

from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from tests.test_run import run
from unipose_jax import errors
from unipose_jax.cli import sample
from unipose_jax.skeleton import definitions
from unipose_jax.synthesis import long_clip, scene


def test_a_sample_is_a_recording_with_everything(sample_recording):
    opened = recording.open_recording(sample_recording)
    assert len(opened) == 18
    assert opened.color(17).shape == (120, 160, 3)
    found = opened.keypoint_detections()
    assert found.joints.name == "COCO17"
    assert len(found.by_frame) == 18
    truth = opened.joints()
    assert truth.skeleton == "ITOP15"
    assert truth.is_valid().all()
    # The torso lies behind the surface that is measured there, by less than 30 cm.
    torso = truth.xyz[:, definitions.ITOP15.index("torso")]
    fx, fy, cx, cy = opened.depth_camera.intrinsics
    for index, (x, y, z) in enumerate(torso):
        row, column = int(cy + fy * y / z), int(cx + fx * x / z)
        around = opened.depth(index)[row - 1 : row + 2, column - 1 : column + 2]
        assert z - 0.3 < np.median(around[around > 0]) < z


def test_the_person_moves_and_the_room_does_not(sample_recording):
    opened = recording.open_recording(sample_recording)
    truth = opened.joints()
    moved = np.linalg.norm(truth.xyz[-1] - truth.xyz[0], axis=-1)
    assert moved.mean() > 0.2  # metres in 1.1 s
    first, last = (opened.color(index)[:20, :20].astype(int) for index in (0, 17))
    np.testing.assert_array_equal(first, last)


def test_weights_that_ship_predict_a_sample(sample_recording, tmp_path):
    output = tmp_path / "poses.npz"
    assert run("predict", input=sample_recording, output=output) == 0
    truth = pose_file.read(sample_recording / "joints.npz")
    error = np.linalg.norm(pose_file.read(output).xyz - truth.xyz, axis=-1)
    assert np.median(error) < 0.06  # metres


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "sample").mkdir()
    with pytest.raises(errors.BadInput, match="sample exists; choose a new path"):
        run("sample", output=tmp_path / "sample")


def test_the_next_command_is_printed(tmp_path, monkeypatch, capsys):
    clip = {
        "depth": np.full((2, 24, 32), 2.0, np.float32),
        "color": np.zeros((2, 24, 32, 3), np.uint8),
        "uv": np.full((2, 31, 2), 10.0, np.float32),
        "confidence": np.ones((2, 31), np.float32),
        "xyz": np.ones((2, 31, 3), np.float32),
        "cam_from_points": np.eye(4),
        "depth_intrinsics": np.array([30.0, 30.0, 16.0, 12.0]),
        "intrinsics": np.array([30.0, 30.0, 16.0, 12.0]),
    }
    keys = []
    monkeypatch.setattr(
        long_clip, "render", lambda key, *_, **__: keys.append(key) or clip
    )
    small = dataclasses.replace(sample.SCENE, frames=2, height=24, width=32)
    sample.make_sample(tmp_path / "s", seed=3, params=small)
    assert (
        f"--mode=predict --input={tmp_path / 's'} --output=" in capsys.readouterr().out
    )
    assert jax.random.key_data(keys[0]).tolist() == (
        jax.random.key_data(scene.clip_key(3, "test", 0)).tolist()
    )
