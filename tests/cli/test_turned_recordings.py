"""Commands write poses in the frame of the camera as recorded."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from unipose_jax import estimator
from unipose_jax.cli import predict, prediction_page, refine, views

CAMERA = calibration.make_camera(12, 16, (20.0, 20.0, 5.0, 8.0))

NO_PAGE = views.Views(page=False)


@pytest.fixture
def turned(tmp_path):
    """A mirrored recording on its side; the left side is up."""
    depth = [np.full((16, 12), 2.0 + 0.01 * t, np.float32) for t in range(3)]
    path = tmp_path / "turned"
    recording.write_recording(
        path, depth=depth, depth_camera=CAMERA, fps=10.0, up="left", mirrored=True
    )
    return path


def upright_pose():
    xyz = np.random.default_rng(0).normal((0, 0, 3), 0.3, (3, 15, 3))
    return pose_file.PoseFile(
        xyz=xyz.astype(np.float32),
        confidence=np.full((3, 15), 0.6, np.float32),
        skeleton="ITOP15",
        time=np.arange(3) / 10,
        frame=np.arange(3),
    )


# Turned to the right, then mirrored: x_upright = y, y_upright = x.
CHANGE = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def test_predict_writes_poses_as_recorded(turned, tmp_path, monkeypatch):
    def predict_recording(network, opened, *, pictures, use_keypoints):
        assert opened.depth(0).shape == (12, 16)
        intrinsics = opened.depth_camera.intrinsics
        pose = dataclasses.replace(upright_pose(), intrinsics=intrinsics)
        return pose, prediction_page.Seen({})

    monkeypatch.setattr(estimator, "load_shipped", lambda modality: None)
    monkeypatch.setattr(predict, "predict_recording", predict_recording)
    output = tmp_path / "p.npz"
    predict.predict(None, None, turned, output, modality="points", wanted=NO_PAGE)
    written = pose_file.read(output)
    np.testing.assert_allclose(written.xyz, upright_pose().xyz @ CHANGE, atol=1e-6)
    np.testing.assert_array_equal(written.intrinsics, CAMERA.intrinsics)


def test_refine_sees_upright_poses_and_writes_them_as_recorded(
    turned, tmp_path, monkeypatch
):
    pose = upright_pose()
    recorded = dataclasses.replace(pose, xyz=(pose.xyz @ CHANGE).astype(np.float32))
    pose_file.write(tmp_path / "p.npz", recorded)
    seen = []
    monkeypatch.setattr(
        refine, "refine_poses", lambda poses, *_, **__: seen.append(poses)
    )
    monkeypatch.setattr(refine, "to_pose_file", lambda poses, refined: poses)
    monkeypatch.setattr(refine, "_summary", lambda *_: "")
    output = tmp_path / "refined.npz"
    refine.refine_file(
        tmp_path / "p.npz", output, recording_path=turned, wanted=NO_PAGE
    )
    np.testing.assert_allclose(seen[0].xyz, pose.xyz, atol=1e-6)
    np.testing.assert_allclose(pose_file.read(output).xyz, recorded.xyz, atol=1e-6)
