"""Pictures through a lens, from a camera beside the depth camera."""

import cv2
import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.readers.recordings import recording
from unipose_jax.cli import recorded_pictures, recorded_room, recorded_video
from unipose_jax.report.viewer import scene

WALL, DOT = (20, 40, 200), (220, 30, 20)
PLACES = np.array([(-0.9, -0.6), (0.8, -0.6), (-0.8, 0.6), (0.9, 0.6), (0.0, 0.1)])
XYZ = np.concatenate([PLACES, [[2.2], [2.0], [2.1], [2.3], [2.0]]], axis=1)


@pytest.fixture
def source(tmp_path):
    """Five red dots in the images of a colour camera that is turned and distorts."""
    small = calibration.make_camera(64, 48, (60.0, 60.0, 32.0, 24.0))
    large = calibration.make_camera(
        256, 192, (230.0, 240.0, 120.0, 100.0), (-0.25, 0.05, 0.01, -0.01, 0.0)
    )
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array([0.02, -0.06, 0.03]))[0]
    pose[:3, 3] = (-0.05, 0.02, 0.01)
    uv = large.distort_uv(large.project(XYZ @ pose[:3, :3].T + pose[:3, 3]))
    centers = np.moveaxis(np.indices((192, 256))[::-1] + 0.5, 0, -1)
    away = np.linalg.norm(centers[:, :, None] - uv, axis=-1).min(axis=-1)
    color = np.where(away[..., None] < 4.0, DOT, WALL).astype(np.uint8)
    recording.write_recording(
        tmp_path / "r",
        depth=[np.full((48, 64), 4.0, np.float32)] * 2,
        depth_camera=small,
        color=[color] * 2,
        color_camera=large,
        color_from_depth=pose,
        fps=10.0,
    )
    opened = recording.open_recording(tmp_path / "r")
    return recorded_pictures.Source(opened, colored=True, measured=True), uv


def poses_at(xyz):
    """A person of two frames with some joints; the others are not known."""
    joints = np.full((2, 15, 3), np.nan)
    joints[:, : len(xyz)] = xyz
    poses = [scene.Poses(name="p", xyz=joints)]
    person = scene.Person(name="a", skeleton="ITOP15", poses=poses)
    return scene.Scene(name="a", people=[person], time=np.array([0.0, 0.1]))


def test_points_have_the_colours_of_their_distorted_pixels(source):
    opened, _ = source
    colors = opened.colors(XYZ, opened.picture(0))
    np.testing.assert_array_equal(colors, [DOT] * len(XYZ))


@pytest.mark.parametrize(("pixels", "shrink"), [(256 * 192, 1), (96 * 72, 2)])
def test_a_picture_without_distortion_has_the_dots_in_its_pinhole_camera(
    source, pixels, shrink
):
    opened, _ = source
    lens = recorded_pictures.lens_for(opened, poses_at(XYZ), pixels)
    assert lens.shrink == shrink
    image = lens.apply(opened.picture(1)).astype(float)
    assert image.shape[:2] == (lens.camera.height, lens.camera.width)
    pose, (fx, fy, cx, cy) = lens.camera.cam_from_scene, lens.camera.intrinsics
    x, y, z = (XYZ @ pose[:3, :3].T + pose[:3, 3]).T
    expected = np.stack([fx * x / z + cx, fy * y / z + cy], axis=-1)
    centers = np.moveaxis(np.indices(image.shape[:2])[::-1] + 0.5, 0, -1)
    for place in expected:
        near = np.linalg.norm(centers - place, axis=-1) < 8.0 / shrink
        red = np.where(near, image[..., 0] - WALL[0], 0.0)
        found = (red[..., None] * centers).sum(axis=(0, 1)) / red.sum()
        np.testing.assert_allclose(found, place, atol=0.25)


def test_a_film_shows_joints_at_their_distorted_pixels_in_true_colours(
    source, tmp_path
):
    opened, uv = source
    recorded_video.write(tmp_path / "a.mp4", poses_at(XYZ[:1]), opened.opened, range(2))
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    good, image = capture.read()
    assert good
    scale = image.shape[1] / 256
    column, row = (int(scale * side) for side in uv[0])
    assert image[row, column].max() < 110  # of the head, dark, over the red dot
    blue, green, red = image[-20, image.shape[1] // 2].astype(int)
    assert abs(blue - WALL[2]) + abs(green - WALL[1]) + abs(red - WALL[0]) < 60


def test_the_room_leaves_out_edges_and_takes_the_median_depth(source, tmp_path):
    """A post stands in the last two of nine frames; a shelf is nearer than the wall."""
    depth = np.full((9, 48, 64), 4.0, np.float32)
    depth[:, 30:, :] = 3.0
    depth[:, 29, :] = 3.4  # between both, as cameras measure at edges
    depth[7:, 10:20, 10:20] = 2.0
    recording.write_recording(
        tmp_path / "post",
        depth=list(depth),
        depth_camera=source[0].opened.depth_camera,
        fps=10.0,
    )
    opened = recording.open_recording(tmp_path / "post")
    plain = recorded_pictures.Source(opened, colored=False, measured=True)
    room, _ = recorded_room.find(plain, poses_at(XYZ), range(9), [])
    assert set(np.round(np.unique(room.xyz[:, 2]), 2)) == {3.0, 4.0}
