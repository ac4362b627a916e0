"""Pages of poses in a recording show what the recording has."""

import dataclasses
import json
import pathlib
import re
import shutil

import cv2
import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from unipose_jax import errors
from unipose_jax.cli import (
    prediction_page,
    recorded_scene,
    recorded_video,
    refine,
    refinement_page,
    viewers,
    views,
)
from unipose_jax.report.viewer import scene


@pytest.fixture
def opened(rendered_recording, tmp_path):
    """A recording whose frames are 6, 12, 18 and 24."""
    path = tmp_path / "person"
    shutil.copytree(rendered_recording, path)
    (path / "joints.npz").unlink()
    for number in (3, 2, 1, 0):
        depth = path / "depth"
        (depth / f"{number:06d}.png").rename(depth / f"{6 * number + 6:06d}.png")
    return recording.open_recording(path)


@pytest.fixture
def pose(opened, rendered_recording):
    truth = pose_file.read(rendered_recording / "joints.npz")
    return pose_file.PoseFile(
        xyz=truth.xyz,
        confidence=truth.confidence,
        skeleton=truth.skeleton,
        time=opened.time,
        frame=np.asarray(opened.frames, np.int64),
    )


def test_a_page_has_the_recordings_frames_points_and_pictures(opened, pose, tmp_path):
    clouds = {i: cloud.xyz for i, cloud in enumerate(tracks.person_clouds(opened))}
    found = [(pose, prediction_page.Seen(clouds))]
    output = tmp_path / "poses.npz"
    prediction_page.report_people(opened, found, output, views.Views())
    text = (tmp_path / "poses.html").read_text()
    text = re.search('application/json">(.*?)</script>', text)[1]
    (one,) = json.loads(text)["scenes"]
    assert one["numbers"] == [6, 12, 18, 24]
    assert one["pictures"]["kind"] == "depth"
    assert len(one["people"][0]["clouds"]["start"]) == 5


@pytest.mark.parametrize(
    ("count", "shown"), [(1, 1), (300, 300), (301, 151), (1000, 250)]
)
def test_long_recordings_show_points_of_some_frames(count, shown):
    assert len(recorded_scene.shown_frames(count)) == shown


@pytest.fixture
def corridor(tmp_path):
    """A board at 2 m that moves to the right, before a wall at 4 m; half is red.

    Colour has four times the columns and rows of depth.
    """
    small = calibration.make_camera(64, 48, (60.0, 60.0, 32.0, 24.0))
    large = calibration.make_camera(256, 192, (240.0, 240.0, 128.0, 96.0))
    depth = np.full((6, 48, 64), 4.0, np.float32)
    color = np.full((6, 192, 256, 3), (20, 40, 200), np.uint8)
    for step in range(6):
        left = 4 + 9 * step
        depth[step, 10:40, left : left + 8] = 2.0
        color[step, 40:160, 4 * left : 4 * (left + 8)] = (200, 30, 20)
    recording.write_recording(
        tmp_path / "r",
        depth=list(depth),
        depth_camera=small,
        color=list(color),
        color_camera=large,
        fps=10.0,
    )
    return recording.open_recording(tmp_path / "r"), depth


@pytest.fixture
def board(corridor):
    """The scene of a person at the board's middle."""
    opened, depth = corridor
    clouds, joints = {}, []
    for step in range(6):
        rows, columns = np.nonzero(depth[step] == 2.0)
        rays = opened.rays[rows, columns]
        xyz = 2.0 * np.concatenate([rays, np.ones_like(rays[:, :1])], axis=1)
        clouds[step] = xyz.astype(np.float32)
        joints.append(np.tile(xyz.mean(axis=0), (15, 1)))
    person = scene.Person(
        name="board",
        skeleton="ITOP15",
        poses=[scene.Poses(name="prediction", xyz=np.array(joints))],
    )
    made = scene.Scene(name="corridor", people=[person])
    return recorded_scene.add_recording(made, opened, range(6), [clouds])


def test_points_have_the_colour_of_what_they_lie_on(board):
    for cloud in board.people[0].clouds:
        np.testing.assert_array_equal(cloud.rgb, [[200, 30, 20]] * len(cloud.xyz))


def test_the_room_is_without_the_people_and_has_its_own_colour(board):
    assert len(board.room.xyz) > 1000
    np.testing.assert_allclose(board.room.xyz[:, 2], 4.0, atol=1e-3)
    assert np.mean(board.room.rgb == (20, 40, 200)) > 0.98


def test_joints_lie_on_their_pixels_of_the_picture(board):
    pictures = board.pictures
    for joints, image in zip(
        board.people[0].poses[0].xyz, pictures.images, strict=True
    ):
        x, y, z = joints[0]
        fx, fy, cx, cy = pictures.camera.intrinsics
        u, v = fx * x / z + cx, fy * y / z + cy
        assert image[int(v), int(u)].tolist() == [200, 30, 20]
        rows, columns = np.nonzero(image[..., 0] > 120)
        np.testing.assert_allclose(columns.mean() + 0.5, u, atol=1.0)
    assert pictures.images[0].shape[:2] == (
        pictures.camera.height,
        pictures.camera.width,
    )


def test_points_near_the_pose_are_the_default(corridor, board):
    again = scene.Scene(name="again", people=[board.people[0]])
    found = recorded_scene.add_recording(again, corridor[0], range(6))
    for cloud in found.people[0].clouds:
        assert len(cloud.xyz) > 20
        np.testing.assert_allclose(cloud.xyz[:, 2], 2.0, atol=1e-3)


def test_a_camera_that_moves_has_no_static_room(corridor, board):
    world = np.tile(np.eye(4, dtype=np.float32), (6, 1, 1))
    world[:, 0, 3] = np.linspace(0.0, 0.5, 6)
    moving = dataclasses.replace(corridor[0], world_from_depth=world)
    again = scene.Scene(name="again", people=[board.people[0]])
    assert recorded_scene.add_recording(again, moving, range(6)).room is None


def film(path):
    """The frames of a film, RGB, and its frames per second."""
    opened = cv2.VideoCapture(str(path))
    rate, images = opened.get(cv2.CAP_PROP_FPS), []
    while (read := opened.read())[0]:
        images.append(read[1][..., ::-1])
    return images, rate


def test_a_film_has_every_frame_with_the_pose_over_it(corridor, board, tmp_path):
    opened, depth = corridor
    joints = board.people[0].poses[0].xyz + np.linspace(-0.2, 0.2, 15)[:, None]
    joints += (0.4, 0.0, 0.0)
    person = scene.Person(
        name="a", skeleton="ITOP15", poses=[scene.Poses(name="p", xyz=joints)]
    )
    poses = scene.Scene(name="a", people=[person], time=opened.time)
    for source, name in ((opened, "colour"), (_colourless(opened), "depth")):
        path = tmp_path / f"{name}.mp4"
        recorded_video.write(path, poses, source, range(6))
        images, rate = film(path)
        assert len(images) == 6
        assert rate == pytest.approx(10.0, abs=0.01)
        for step, image in enumerate(images):
            assert image.shape[0] >= 480
            assert image.shape[1] % 2 == 0
            scale = image.shape[1] / 64
            u, v = scale * opened.depth_camera.project(joints[step, 0])
            blue = image[round(v), round(u)].astype(int)  # "head" is dark
            assert blue.max() < 110, name
    assert sorted(p.name for p in tmp_path.glob("*.mp4")) == ["colour.mp4", "depth.mp4"]


def _colourless(opened):
    return dataclasses.replace(opened, color_camera=None)


def test_a_missing_codec_is_one_line_and_writes_nothing(
    corridor, board, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        recorded_video, "_CODEC", "av01"
    )  # which OpenCV of PyPI cannot write
    with pytest.raises(errors.BadInput, match="cannot write MP4"):
        recorded_video.write(
            tmp_path / "a" / "a.mp4",
            dataclasses.replace(board, time=corridor[0].time),
            corridor[0],
            range(6),
        )
    assert list((tmp_path / "a").iterdir()) == []


def test_a_film_needs_a_recording(tmp_path):
    with pytest.raises(errors.BadInput, match="--recording"):
        views.Views(video=True).check(tmp_path / "p.npz", recorded=False)


def test_a_folder_in_the_place_of_a_scene_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(viewers, "check", lambda name: None)
    (tmp_path / "p.rrd").mkdir()
    with pytest.raises(errors.BadInput, match="p.rrd is an existing folder"):
        views.Views(viewer="rerun").check(tmp_path / "p.npz")


def test_keypoints_of_a_pose_file_keep_their_own_camera(corridor, board, monkeypatch):
    """The recording's colour camera has another focal length."""
    shown = []
    monkeypatch.setattr(
        views.Views, "write", lambda _, made, *__, **___: shown.append(made)
    )
    xyz = board.people[0].poses[0].xyz.astype(np.float32)
    opened, pinhole = corridor[0], np.float32([500.0, 500.0, 300.0, 200.0])
    own = pose_file.PoseFile(
        xyz=xyz,
        confidence=np.ones(xyz.shape[:2], np.float32),
        skeleton="ITOP15",
        time=opened.time,
        intrinsics=pinhole,
        uv=pinhole[:2] * xyz[..., :2] / xyz[..., 2:] + pinhole[2:],
    )
    keypoints, _ = refine.evidence_of(own, opened)
    refinement_page.report_refinement(
        own, own, pathlib.Path("r.npz"), views.Views(), opened, keypoints
    )
    camera = shown[0].people[0].keypoints.camera
    np.testing.assert_allclose(camera.intrinsics, pinhole)
    assert (camera.width, camera.height) == (600, 400)


def test_the_page_of_a_refinement_has_the_keypoints_that_were_used(
    opened, pose, tmp_path, monkeypatch
):
    made = []
    monkeypatch.setattr(
        views.page, "write_page", lambda _, sections, **__: made.extend(sections)
    )
    uv = opened.depth_camera.project(pose.xyz).astype(np.float32)
    own = dataclasses.replace(pose, uv=uv, intrinsics=opened.depth_camera.intrinsics)
    keypoints, _ = refine.evidence_of(own)
    refinement_page.report_refinement(
        own, own, tmp_path / "r.npz", views.Views(), None, keypoints
    )
    found = made[0].scenes[0].people[0].keypoints
    known = own.is_valid()
    np.testing.assert_allclose(found.uv[known], uv[known], atol=1e-3)
    refinement_page.report_refinement(pose, pose, tmp_path / "r.npz", views.Views())
    assert made[1].scenes[0].people[0].keypoints is None
