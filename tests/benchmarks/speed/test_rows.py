"""Rows of `python -m benchmarks` that take no time to compile."""

import numpy as np
import pytest

from benchmarks.speed import options, prediction, refining, starting, training
from unipose_jax import skeleton


@pytest.mark.parametrize("row", ["decode", "segmentation", "points"])
def test_parts_of_prediction_are_timed_frame_by_frame(row, sample_recording, tmp_path):
    chosen = options.Options(tmp_path, recording=sample_recording)
    found = prediction.ROWS[f"predict/{row}"](chosen)
    assert found.unit == "frames/s"
    assert found.repeats == 60
    assert found.median > 0
    assert "18 frames, person" in found.shapes


def test_clips_of_the_pose_machine_stand_in_front_of_the_camera(tmp_path):
    chosen = options.Options(tmp_path, quick=True)
    config = training._config("pose_machine", chosen)
    stage = training._stage("pose_machine", config)
    batch = training._lifting_batch(stage)
    assert set(stage.recipe.fields) <= set(batch)
    assert batch["xyz"][..., 2].min() > 1.0
    height = batch["floor"][0, 3] - batch["xyz"][..., 1]
    assert -0.1 < height.min() < 0.3  # ankles are above the floor
    head = batch["uv"][..., skeleton.HUMANEVA15.index("head"), :]
    assert ((head > 0) & (head < 1000)).all()


def test_the_first_pose_is_that_of_one_frame(sample_recording, tmp_path):
    made = starting._first_frame(sample_recording, tmp_path / "frame")
    assert len(list((made / "depth").iterdir())) == 1
    assert starting._first_frame(sample_recording, made) == made


def test_a_command_that_fails_is_not_timed():
    with pytest.raises(SystemExit, match="nothing"):
        starting.run(["--mode=nothing"])
    wall, cpu = starting.run(["--help"])
    assert 0 < cpu < 10
    assert 0 < wall


def test_poses_to_refine_have_noise_of_30_mm():
    poses, keypoints = refining.noisy_poses(200)
    assert poses.shape == (200, 15, 3)
    assert keypoints.uv.shape == (200, 15, 2)
    second = np.diff(poses, n=2, axis=0)  # of white noise: sqrt(6) times as large
    np.testing.assert_allclose(second.std() / np.sqrt(6.0), 0.03, rtol=0.1)
