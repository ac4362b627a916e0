import dataclasses
import json

import cv2
import numpy as np
import pytest

from data_pipelines.ground import pose_file
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from unipose_jax import errors


def test_a_written_recording_is_read_back(make_recording, room):
    depth, shown = room.render(room.person(0.0, 2.5))
    opened = recording.open_recording(make_recording())
    assert len(opened) == 3
    assert opened.frames == (0, 1, 2)
    np.testing.assert_allclose(opened.time, [0, 0.1, 0.2])
    # Stored in whole millimetres.
    np.testing.assert_allclose(opened.depth(0), depth, atol=5.1e-4)
    assert opened.depth(0).dtype == np.float32
    np.testing.assert_array_equal(opened.mask(0), shown == 1)
    assert opened.color(0).shape == (120, 160, 3)
    assert opened.joints().skeleton == "ITOP15"
    assert opened.keypoints("COCO17") is None


def test_colour_is_rgb(make_recording):
    red = np.zeros((120, 160, 3), np.uint8)
    red[..., 0] = 255
    opened = recording.open_recording(make_recording(color=[red] * 3))
    np.testing.assert_array_equal(opened.color(1), red)


def test_only_depth_is_required(make_recording, room):
    path = make_recording(color=None, color_camera=None, mask=None, joints=None)
    opened = recording.open_recording(path)
    assert opened.color(0) is None
    assert opened.mask(0) is None
    assert opened.joints() is None
    assert opened.keypoint_camera is opened.depth_camera
    np.testing.assert_array_equal(opened.color_from_depth, np.eye(4))
    np.testing.assert_allclose(opened.rays, room.camera.rays())


def test_nan_and_far_depth_become_zero(make_recording):
    depth = np.full((120, 160), 2.0, np.float32)
    depth[0, :4] = [np.nan, np.inf, -1.0, 70.0]
    opened = recording.open_recording(
        make_recording(depth=[depth], mask=None, joints=None)
    )
    np.testing.assert_array_equal(opened.depth(0)[0, :5], [0, 0, 0, 0, 2])


def test_frames_keep_their_numbers(make_recording):
    path = make_recording(joints=None)
    for kind in ("depth", "color", "mask"):
        (path / kind / "000001.png").unlink()
    opened = recording.open_recording(path)
    assert opened.frames == (0, 2)
    np.testing.assert_allclose(opened.time, [0, 0.2])


def test_one_world_pose_is_used_for_all_frames(make_recording):
    opened = recording.open_recording(make_recording(world_from_depth=np.eye(4)))
    np.testing.assert_array_equal(opened.world_from_depth, np.stack([np.eye(4)] * 3))


def test_keypoints_are_undistorted_and_converted(make_recording, room):
    shifted = np.full((3, 17, 2), 50.0) + np.arange(3)[:, None, None]
    confidence = np.ones((3, 17))
    confidence[0, 5] = 0.0  # left shoulder
    path = make_recording(keypoints=detections.to_coco(shifted, confidence, "COCO17"))
    camera = json.loads((path / "camera.json").read_text())
    camera["color"]["distortion"] = [0.1, 0, 0, 0, 0]
    (path / "camera.json").write_text(json.dumps(camera))
    opened = recording.open_recording(path)
    uv, found = opened.keypoints("ITOP15")
    elbow = opened.color_camera.undistort(np.array([51.0, 51.0]))
    np.testing.assert_allclose(uv[1, 4], elbow, atol=1e-3)
    assert found[1, 1] == 1.0  # neck, from the shoulders
    assert found[0, 1] == 0.0
    assert np.isnan(uv[0, 1]).all()
    assert found[:, 6].max() == 0.0  # hand: not the same as the wrist


def test_an_openpose_folder_can_replace_keypoints_json(make_recording):
    path = make_recording()
    (path / "keypoints").mkdir()
    values = [10.0, 20.0, 0.9] * 25
    people = json.dumps({"people": [{"pose_keypoints_2d": values}]})
    (path / "keypoints" / "a_000000000001_keypoints.json").write_text(people)
    uv, found = recording.open_recording(path).keypoints("COCO17")
    np.testing.assert_allclose(uv[1, 0], [10.5, 20.5])
    np.testing.assert_allclose(found[:, 0], [0, 0.9, 0])


def with_keypoints(path, entry):
    """Writes an entry "keypoints" into camera.json."""
    camera = json.loads((path / "camera.json").read_text())
    (path / "camera.json").write_text(json.dumps(camera | {"keypoints": entry}))
    return path


def test_camera_json_says_how_keypoints_fit_the_frames(make_recording, capsys):
    uv = np.full((3, 17, 2), 50.0) + np.arange(3)[:, None, None]
    found = detections.to_coco(uv, np.ones((3, 17)), "COCO17", [1, 2, 3])
    path = make_recording(keypoints=found)
    uv_1 = recording.open_recording(path).keypoints("COCO17")[0]
    np.testing.assert_allclose(uv_1[:, 0, 0], [np.nan, 50, 51])
    lines = capsys.readouterr().err.splitlines()
    (line,) = [line for line in lines if "keypoints.json" in line]
    assert line.startswith(f"warning: {path}/keypoints.json: 1 of 3 keypoint frames")
    with_keypoints(path, {"first_frame": 1, "size": [320, 240]})
    uv_2 = recording.open_recording(path).keypoints("COCO17")[0]
    np.testing.assert_allclose(uv_2[:, 0, 0], [25, 25.5, 26])
    assert "scaled from 320x240" in capsys.readouterr().err


def test_a_wrong_entry_on_keypoints_is_refused(make_recording):
    path = make_recording(keypoints=[])
    with pytest.raises(errors.BadInput, match="'keypoints' is not an object"):
        recording.open_recording(with_keypoints(path, 3))
    with pytest.raises(errors.BadInput, match="unknown key 'rate'"):
        recording.open_recording(with_keypoints(path, {"rate": 3})).keypoints("COCO17")


def refuse(path, message):
    with pytest.raises(errors.BadInput, match=message) as caught:
        recording.open_recording(path)
    assert "\n" not in str(caught.value)


def test_a_missing_recording_is_bad_input(tmp_path):
    refuse(tmp_path / "nowhere", "no recording folder at .*nowhere")


def test_a_folder_of_recordings_is_not_a_recording(make_recording, tmp_path):
    make_recording("all/a")
    refuse(tmp_path / "all", "has no camera.json; give one of .*for example .*all/a")


@pytest.mark.parametrize("value", [1, 255])
def test_masks_may_have_the_values_0_and_255_or_0_and_1(make_recording, value):
    path = make_recording()
    expected = recording.open_recording(path).mask(0)
    assert 0 < expected.sum() < expected.size
    cv2.imwrite(str(path / "mask/000000.png"), np.uint8(value) * expected)
    np.testing.assert_array_equal(recording.open_recording(path).mask(0), expected)


def test_truncated_depth_is_reported_in_one_line(make_recording, capfd):
    path = make_recording()
    whole = (path / "depth" / "000000.png").read_bytes()
    (path / "depth" / "000000.png").write_bytes(whole[: len(whole) // 2])
    refuse(path, "000000.png cannot be decoded")
    assert capfd.readouterr().err == ""  # no message of libpng


def test_an_empty_recording_is_bad_input(tmp_path, make_recording):
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "empty has no camera.json; size and intr")
    path = make_recording()
    refuse(path / "depth", f"no camera.json; give the recording itself, {path}")
    for file in (path / "depth").iterdir():
        file.unlink()
    refuse(path, "has no depth frames .*OnlineEstimator.from_keypoints")


def test_8_bit_depth_is_bad_input(make_recording):
    path = make_recording()
    cv2.imwrite(str(path / "depth/000000.png"), np.ones((120, 160), np.uint8))
    refuse(path, "000000.png is 8-bit grey; .* 16-bit grey PNG")


def test_depth_in_colour_is_bad_input(make_recording):
    path = make_recording()
    cv2.imwrite(str(path / "depth/000000.png"), np.ones((120, 160, 3), np.uint16))
    refuse(path, "16-bit colour")


def test_a_camera_without_fx_is_bad_input(make_recording):
    path = make_recording()
    camera = json.loads((path / "camera.json").read_text())
    del camera["depth"]["fx"]
    (path / "camera.json").write_text(json.dumps(camera))
    refuse(path, "'depth' has no 'fx'")


def test_all_zero_depth_is_bad_input(make_recording):
    refuse(make_recording(depth=[np.zeros((120, 160))] * 3), "all 3 frames are empty")


def test_all_nan_depth_is_bad_input(make_recording):
    nothing = np.full((120, 160), np.nan)
    refuse(make_recording(depth=[nothing] * 3), "all 3 frames are empty")


def test_one_empty_frame_is_allowed(make_recording, room):
    depth = room.render()[0]
    opened = recording.open_recording(make_recording(depth=[0 * depth, depth, depth]))
    assert not opened.depth(0).any()


def test_depth_of_a_wrong_size_is_bad_input(make_recording):
    path = make_recording()
    cv2.imwrite(str(path / "depth/000000.png"), np.ones((60, 80), np.uint16))
    refuse(path, "is 80x60, but camera.json says 160x120")


def test_a_misnamed_depth_file_is_bad_input(make_recording):
    path = make_recording()
    (path / "depth" / "000000.png").rename(path / "depth" / "frame0.png")
    refuse(path, "named by six digits")


def test_depth_in_another_format_is_bad_input(make_recording):
    path = make_recording()
    (path / "depth" / "000001.png").rename(path / "depth" / "000001.jpg")
    refuse(path, "000001.jpg: depth files are 16-bit .png")


def test_a_depth_file_of_40_bytes_is_bad_input(make_recording):
    path = make_recording()
    whole = (path / "depth" / "000000.png").read_bytes()
    (path / "depth" / "000000.png").write_bytes(whole[:40])
    refuse(path, "cannot be decoded")


def test_a_wrong_number_of_world_poses_is_bad_input(make_recording):
    refuse(make_recording(world_from_depth=np.stack([np.eye(4)] * 2)), "2 transforms")


@pytest.mark.parametrize("kind", ["color", "mask"])
def test_images_of_a_wrong_size_are_bad_input(make_recording, kind):
    path = make_recording()
    cv2.imwrite(str(path / kind / "000000.png"), np.ones((60, 80), np.uint8))
    opened = recording.open_recording(path)
    with pytest.raises(errors.BadInput, match="is 80x60"):
        getattr(opened, kind)(0)


def test_keypoints_with_a_wrong_number_of_joints_are_bad_input(make_recording):
    entry = {"image_id": 0, "keypoints": [1.0] * 48, "score": 1.0}
    opened = recording.open_recording(make_recording(keypoints=[entry]))
    with pytest.raises(errors.BadInput, match=r"16 joints, expected 17 .*COCO17"):
        opened.keypoints("ITOP15")


def test_joints_of_a_wrong_length_are_bad_input(make_recording):
    path = make_recording()
    (path / "depth" / "000002.png").unlink()
    opened = recording.open_recording(path)
    with pytest.raises(errors.BadInput, match="3 poses, but there are 2 depth frames"):
        opened.joints()


def test_joints_of_other_frames_are_bad_input(make_recording):
    path = make_recording()
    pose = pose_file.read(path / "joints.npz")
    other = dataclasses.replace(pose, frame=np.array([0, 2, 3]))
    pose_file.write(path / "joints.npz", other)
    with pytest.raises(errors.BadInput, match="has frame 2 where .* has frame 1"):
        recording.open_recording(path).joints()


def test_an_existing_folder_is_not_overwritten(make_recording):
    path = make_recording()
    before = (path / "camera.json").read_bytes()
    with pytest.raises(errors.BadInput, match="exists; choose a new path"):
        make_recording()
    assert (path / "camera.json").read_bytes() == before


@pytest.mark.parametrize(
    "change", [{"color_camera": None}, {"mask": [np.zeros((3, 4), bool)]}]
)
def test_a_failed_write_leaves_no_files(make_recording, tmp_path, change):
    with pytest.raises(errors.BadInput):
        make_recording(**change)
    assert not list(tmp_path.iterdir())
