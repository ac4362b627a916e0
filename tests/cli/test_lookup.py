"""`run.py --mode=lookup`."""

import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from tests.test_run import run
from unipose_jax import errors, skeleton
from unipose_jax.cli import commands
from unipose_jax.physics import anthropometry

CAMERA = calibration.make_camera(160, 120, (140.0, 140.0, 80.0, 60.0))
UV = np.random.default_rng(0).uniform((60, 30), (100, 90), (2, 17, 2))


@pytest.fixture
def board(tmp_path):
    """A board 2 m away in place of a person, with a mask, and keypoints on it."""
    mask = np.zeros((120, 160), bool)
    mask[20:100, 50:110] = True
    confidence = np.ones((2, 17))
    confidence[1, 9] = 0.1  # left_wrist, not sure

    def make(uv=UV, **changes):
        fields = {
            "depth": [np.where(mask, 2.0, 3.0)] * 2,
            "depth_camera": CAMERA,
            "mask": [mask] * 2,
            "fps": 15.0,
            "keypoints": detections.to_coco(uv, confidence, "COCO17"),
        }
        recording.write_recording(tmp_path / "board", **fields | changes)
        return tmp_path / "board"

    return make


def look_up(source, output, **options):
    defaults = {"fill": None, "skeleton": "COCO17"}
    return run("lookup", input=source, output=output, **defaults | options)


def test_joints_are_below_the_board_on_the_rays_of_their_keypoints(
    board, tmp_path, capsys
):
    output = tmp_path / "p.npz"
    assert look_up(board(), output) == 0
    pose = pose_file.read(output)
    below = np.asarray(anthropometry.skin_depths(skeleton.COCO17))
    rays = np.concatenate([(UV - (80, 60)) / 140, np.ones((2, 17, 1))], axis=-1)
    length = np.linalg.norm(rays, axis=-1, keepdims=True)
    expected = rays * (2.0 + below[:, None] / length)
    valid = np.ones((2, 17), bool)
    valid[1, 9] = False
    np.testing.assert_array_equal(pose.is_valid(), valid)
    np.testing.assert_allclose(pose.xyz[valid], expected[valid], atol=1e-3)  # float PNG
    assert (pose.confidence[valid] == 1).all()
    assert pose.confidence[1, 9] == 0
    out = capsys.readouterr().out
    assert out.startswith("2 of 2 frames have joints, 97% of their joints were found")
    assert out.count("\n") == 1


def test_another_skeleton_names_the_joints_without_keypoints(board, tmp_path, capsys):
    look_up(board(), tmp_path / "p.npz", skeleton=None)
    pose = pose_file.read(tmp_path / "p.npz")
    assert pose.skeleton == "ITOP15"
    assert not pose.is_valid()[:, skeleton.ITOP15.index("left_hand")].any()
    assert "left_hand" in capsys.readouterr().out


def test_the_colour_camera_may_be_another(board, tmp_path):
    color = calibration.make_camera(320, 240, (300.0, 300.0, 170.0, 118.0))
    moved = np.eye(4, dtype=np.float32)
    moved[:3, 3] = [0.1, 0.0, 0.02]
    rays = np.concatenate([(UV - (80, 60)) / 140, np.ones((2, 17, 1))], axis=-1)
    uv = color.project(2.0 * rays + moved[:3, 3])
    source = board(
        uv,
        color=[np.zeros((240, 320, 3), np.uint8)] * 2,
        color_camera=color,
        color_from_depth=moved,
    )
    look_up(source, tmp_path / "p.npz")
    pose = pose_file.read(tmp_path / "p.npz")
    below = np.asarray(anthropometry.skin_depths(skeleton.COCO17))
    away = np.linalg.norm(pose.xyz - 2.0 * rays, axis=-1)
    np.testing.assert_allclose(away[0], below, atol=2e-3)  # float PNG, moved surface


def test_joints_without_depth_are_filled_by_bones_on_request(board, tmp_path):
    depth = np.full((120, 160), 2.0)
    u, v = np.floor(UV[0, 9]).astype(int)
    depth[v - 4 : v + 5, u - 4 : u + 5] = 0  # a hole at the left wrist
    source = board(UV[:1].repeat(2, 0), depth=[depth] * 2)
    look_up(source, tmp_path / "hole.npz")
    assert not pose_file.read(tmp_path / "hole.npz").is_valid()[0, 9]
    look_up(source, tmp_path / "full.npz", fill="bones")
    pose = pose_file.read(tmp_path / "full.npz")
    assert pose.is_valid()[0, 9]
    np.testing.assert_allclose(CAMERA.project(pose.xyz[0, 9]), UV[0, 9], atol=0.01)


def test_without_keypoints_or_with_strange_ones_it_is_refused(board, tmp_path):
    output = tmp_path / "p.npz"
    path = board()
    (path / "keypoints.json").unlink()
    with pytest.raises(errors.BadInput, match="no 2D keypoints; --mode=keypoints"):
        look_up(path, output)
    with pytest.raises(errors.BadInput, match="unknown skeleton 'ITOP'"):
        look_up(path, output, skeleton="ITOP")
    with pytest.raises(errors.BadInput, match=r"must end in \.npz"):
        look_up(path, tmp_path / "p.csv")
    assert not output.exists()


def test_pictures_are_drawn(board, tmp_path):
    look_up(board(), tmp_path / "p.npz", pictures=True)
    assert (tmp_path / "p.html").exists()


def test_the_mode_is_offered():
    assert "lookup" in commands.MODES


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("24-keypoints-of-resized-image/rec", "640x480, but the camera of the"),
        ("24-keypoints-of-resized-image/rec_half", r"resized picture.*\[160, 120\]"),
        ("75-normalised-keypoints-with-masks/rec", "normalised"),
        ("76-resized-keypoints-with-masks/rec", r"resized picture.*\[160, 120\]"),
        ("21-mediapipe/rec_named_normalised", "normalised"),
    ],
)
def test_keypoints_that_miss_the_person_are_refused(
    sample_data, tmp_path, case, message
):
    with pytest.raises(errors.BadInput, match=message):
        look_up(sample_data / "cases" / case, tmp_path / "p.npz")


@pytest.mark.parametrize(
    "case",
    [
        *("20-alphapose/rec", "20-alphapose/rec_video", "20-alphapose/rec_halpe26"),
        *("21-mediapipe/rec", "22-openpose-normalised/rec_scale3"),
        *("23-coco-image-table/rec", "27-ultralytics/rec", "27-ultralytics/rec_json"),
    ],
)
def test_keypoints_of_other_tools_give_the_pose(sample_data, tmp_path, case):
    source = sample_data / "cases" / case
    look_up(source, tmp_path / "p.npz", skeleton="ITOP15")
    found, truth = (
        pose_file.read(tmp_path / "p.npz"),
        pose_file.read(source / "joints.npz"),
    )
    valid = found.is_valid()
    assert valid.mean() > 0.5
    error = np.linalg.norm(found.xyz - truth.xyz, axis=-1)[valid]
    assert np.median(error) < 0.03  # metres; a frame of shift is 0.02 on top


def test_a_convention_says_how_deep_joints_lie(board, tmp_path, capsys):
    recorded = board()
    look_up(recorded, tmp_path / "p.npz", skeleton="ITOP15", convention="ITOP")
    pose = pose_file.read(tmp_path / "p.npz")
    hip = skeleton.ITOP15.index("left_hip")
    u, v = (UV[0, skeleton.COCO17.index("left_hip")] - (80, 60)) / 140
    away = np.linalg.norm(pose.xyz[0, hip] - 2.0 * np.array([u, v, 1.0]))
    np.testing.assert_allclose(away, 0.080, atol=2e-3)  # float PNG
    with pytest.raises(errors.BadInput, match="--convention=ITOP: .* no skin depth"):
        look_up(recorded, tmp_path / "q.npz", convention="ITOP")
    assert not (tmp_path / "q.npz").exists()
