"""`run.py --mode=score`: one pose file against another."""

import dataclasses
import json

import numpy as np
import pytest

from data_pipelines.ground import pose_file
from tests.test_run import run
from unipose_jax import errors


def pose(frames: int = 5, skeleton: str = "ITOP15") -> pose_file.PoseFile:
    rng = np.random.default_rng(0)
    joints = {"ITOP15": 15, "COCO17": 17}[skeleton]
    return pose_file.PoseFile(
        xyz=(0.2 * rng.normal(size=(frames, joints, 3)) + [0, 0, 3]).astype(np.float32),
        confidence=np.ones((frames, joints), np.float32),
        skeleton=skeleton,
        time=np.arange(frames) / 15.0,
    )


def test_score_of_a_known_displacement(tmp_path, capsys):
    truth = pose()
    moved = pose_file.PoseFile(
        xyz=truth.xyz + np.float32([0.03, 0.0, 0.04]),  # 3-4-5: 50 mm
        confidence=truth.confidence,
        skeleton=truth.skeleton,
        time=truth.time,
    )
    moved.xyz[:, 0, 0] += 0.2  # the head alone is beyond 10 cm
    pose_file.write(tmp_path / "a.npz", moved)
    pose_file.write(tmp_path / "b.npz", truth)
    assert run("score", input=tmp_path / "a.npz", truth=tmp_path / "b.npz") == 0
    scores = json.loads(capsys.readouterr().out)
    head = np.hypot(0.23, 0.04) * 1000
    np.testing.assert_allclose(scores["mpjpe_mm"], (14 * 50 + head) / 15, rtol=1e-4)
    np.testing.assert_allclose(scores["map_10cm"], 14 / 15, rtol=1e-6)
    assert scores["pck_10cm"]["head"] == 0.0
    np.testing.assert_allclose(scores["accel_error"], 0.0, atol=1e-2)  # m/s^2, float32


def test_score_survives_stamps_since_1970_and_tells_what_is_missing(tmp_path, capsys):
    truth, moved = pose(), pose()
    rng = np.random.default_rng(1)
    moved.xyz[:] += rng.normal(size=moved.xyz.shape).astype(np.float32) / 100
    valid = np.ones(moved.confidence.shape, bool)
    valid[0, :3] = False
    moved = dataclasses.replace(moved, valid=valid)
    scores = []
    for origin in (0.0, 1.7e9):
        for name, poses in (("a", moved), ("b", truth)):
            late = dataclasses.replace(poses, time=poses.time + origin)
            pose_file.write(tmp_path / f"{name}.npz", late)
        assert run("score", input=tmp_path / "a.npz", truth=tmp_path / "b.npz") == 0
        scores.append(json.loads(capsys.readouterr().out))
    np.testing.assert_allclose(scores[1]["accel_error"], scores[0]["accel_error"], 1e-3)
    assert scores[0]["accel_error"] > 0
    np.testing.assert_allclose(scores[0]["missing"], 3 / 75)


def test_poses_of_other_length_or_skeleton_are_refused(tmp_path):
    pose_file.write(tmp_path / "a.npz", pose())
    pose_file.write(tmp_path / "short.npz", pose(4))
    pose_file.write(tmp_path / "coco.npz", pose(skeleton="COCO17"))
    with pytest.raises(errors.BadInput, match="5 frames, .*short.npz has 4"):
        run("score", input=tmp_path / "a.npz", truth=tmp_path / "short.npz")
    with pytest.raises(errors.BadInput, match="ITOP15, .*coco.npz has COCO17"):
        run("score", input=tmp_path / "a.npz", truth=tmp_path / "coco.npz")


def test_poses_of_other_frames_are_refused(tmp_path):
    for name, first in {"a": 0, "b": 5}.items():
        frames = np.arange(first, first + 5)
        moved = dataclasses.replace(pose(), frame=frames)
        pose_file.write(tmp_path / f"{name}.npz", moved)
    with pytest.raises(errors.BadInput, match="pose 0 is of frame 0 in .*of frame 5"):
        run("score", input=tmp_path / "a.npz", truth=tmp_path / "b.npz")
