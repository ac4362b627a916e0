"""Recordings of turned and mirroring cameras read like upright ones."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from data_pipelines.cameras import orientation
from data_pipelines.ground import pose_file
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from data_pipelines.segmentation import mounting as mountings
from unipose_jax import skeleton as skeletons

ALL = [
    orientation.Orientation(up, m) for up in orientation.TURNS for m in (False, True)
]
SIDES = np.array(skeletons.COCO17.mirror)


def name(mounting):
    return f"{mounting.up}-{mounting.mirrored}"


@pytest.fixture
def upright(make_recording):
    """A recording whose images have no symmetry, with all that a recording may have."""
    rng = np.random.default_rng(0)
    color = [rng.integers(0, 255, (120, 160, 3), np.uint8)] * 2
    uv = rng.uniform(20, 100, (2, 17, 2))
    pose = pose_file.PoseFile(
        xyz=0.2 * rng.normal(size=(2, 15, 3)).astype(np.float32),
        confidence=np.ones((2, 15), np.float32),
        skeleton="ITOP15",
        time=np.arange(2) / 10,
    )
    shift = np.eye(4)
    shift[:3, 3] = (0.05, -0.02, 0.01)
    path = make_recording(
        frames=2,
        color=color,
        joints=pose,
        color_from_depth=shift,
        world_from_depth=shift,
        keypoints=detections.to_coco(uv, np.ones((2, 17)), "COCO17"),
    )
    return recording.open_recording(path)


def record(upright, mounting, path):
    """The recording as a turned device stores it, made with the inverse changes."""
    change = mounting.upright_from_recorded
    turned = orientation.TURNS[mounting.up] % 2

    def turn(image):
        image = image[:, ::-1] if mounting.mirrored else image
        return np.rot90(image, -orientation.TURNS[mounting.up])

    def camera(camera):
        width, height = camera.width, camera.height
        fx, fy, cx, cy = camera.intrinsics
        offset = np.array([cx - width / 2, cy - height / 2]) @ change[:2, :2]
        size = np.array([height, width] if turned else [width, height])
        focal = (fy, fx) if turned else (fx, fy)
        return dataclasses.replace(
            camera,
            width=int(size[0]),
            height=int(size[1]),
            intrinsics=np.array([*focal, *(offset + size / 2)], np.float32),
        )

    four = np.eye(4)
    four[:3, :3] = change
    found = upright.keypoint_detections().by_frame
    uv = np.stack([found[frame][0] for frame in upright.frames])
    lens = upright.color_camera
    size = np.array([lens.width, lens.height])
    pixels = (uv[..., :2] - size / 2) @ change[:2, :2]
    pixels = pixels + (size[::-1] if turned else size) / 2
    pixels = pixels[:, SIDES] if mounting.mirrored else pixels
    pose = upright.joints()
    recording.write_recording(
        path,
        depth=[turn(upright.depth(i)) for i in range(2)],
        depth_camera=camera(upright.depth_camera),
        color=[turn(upright.color(i)) for i in range(2)],
        color_camera=camera(lens),
        color_from_depth=four.T @ upright.color_from_depth @ four,
        mask=[turn(upright.mask(i)) for i in range(2)],
        fps=10.0,
        keypoints=detections.to_coco(pixels, uv[..., 2], "COCO17"),
        joints=dataclasses.replace(pose, xyz=pose.xyz @ change),
        up=mounting.up,
        mirrored=mounting.mirrored,
    )
    return recording.open_recording(path)


@pytest.mark.parametrize("mounting", ALL, ids=name)
def test_a_turned_recording_reads_like_the_upright_one(upright, tmp_path, mounting):
    seen = record(upright, mounting, tmp_path / "turned")
    np.testing.assert_array_equal(seen.depth(1), upright.depth(1))
    np.testing.assert_array_equal(seen.color(1), upright.color(1))
    np.testing.assert_array_equal(seen.mask(1), upright.mask(1))
    np.testing.assert_allclose(
        seen.depth_camera.intrinsics, upright.depth_camera.intrinsics, rtol=1e-6
    )
    np.testing.assert_allclose(
        seen.color_from_depth, upright.color_from_depth, atol=1e-6
    )
    np.testing.assert_allclose(seen.joints().xyz, upright.joints().xyz, atol=1e-6)
    # keypoints.json has four decimals of a pixel.
    np.testing.assert_allclose(
        seen.keypoints("COCO17")[0], upright.keypoints("COCO17")[0], atol=1e-3
    )


@pytest.mark.parametrize("mounting", ALL, ids=name)
def test_poses_lie_on_the_recorded_images(upright, tmp_path, mounting):
    seen = record(upright, mounting, tmp_path / "turned")
    pose = dataclasses.replace(
        upright.joints(),
        xyz=np.random.default_rng(1).normal((0, 0, 3), 0.3, (2, 15, 3)),
        intrinsics=seen.depth_camera.intrinsics,
    )
    pose = dataclasses.replace(pose, uv=seen.depth_camera.project(pose.xyz))
    stored = seen.to_recorded(pose)
    np.testing.assert_array_equal(stored.intrinsics, seen.file.depth.intrinsics)
    np.testing.assert_allclose(
        seen.file.depth.project(stored.xyz), stored.uv, atol=1e-3
    )
    again = seen.from_recorded(stored)
    for field in ("xyz", "uv", "intrinsics"):
        expected = getattr(pose, field)
        np.testing.assert_allclose(getattr(again, field), expected, atol=1e-3)
    if seen.orientation.is_upright:
        assert stored is pose


@pytest.mark.parametrize("mounting", ALL, ids=name)
def test_keypoints_found_in_upright_images_are_read_back(upright, tmp_path, mounting):
    seen = record(upright, mounting, tmp_path / "turned")
    rng = np.random.default_rng(2)
    uv, confidence = rng.uniform(10, 100, (2, 17, 2)), rng.uniform(0.1, 1, (2, 17))
    stored = seen.keypoints_to_recorded(uv, confidence, "COCO17")
    (seen.path / "keypoints.json").write_text(
        json.dumps(detections.to_coco(*stored, "COCO17"))
    )
    read = recording.open_recording(seen.path).keypoints("COCO17")
    np.testing.assert_allclose(read[0], uv, atol=1e-3)
    np.testing.assert_allclose(read[1], confidence, atol=1e-3)


def test_keypoints_of_another_camera_keep_their_rays(upright, tmp_path):
    seen = record(upright, orientation.Orientation("left"), tmp_path / "turned")
    other = np.array([300.0, 310.0, 200.0, 100.0], np.float32)
    pose = dataclasses.replace(
        upright.joints(), uv=np.full((2, 15, 2), 250.0, np.float32), intrinsics=other
    )
    turned = seen.from_recorded(pose)
    before = (pose.uv - other[2:]) / other[:2]
    after = (turned.uv - turned.intrinsics[2:]) / turned.intrinsics[:2]
    change = seen.orientation.upright_from_recorded[:2, :2]
    np.testing.assert_allclose(after, before @ change.T, atol=1e-5)


@pytest.mark.parametrize("up", orientation.TURNS)
def test_a_turned_camera_is_suspected_from_the_floor(room, up):
    depth, _ = room.render(room.person(0.3, 2.5))
    turned = np.rot90(depth, -orientation.TURNS[up])
    camera = orientation.Orientation(up).turn_camera(room.camera)
    # Turning there and back has the same sizes here; the principal point is central.
    found = mountings.suspected_up([turned], camera)
    assert found == (None if up == "top" else up)


def test_a_ceiling_is_no_floor(room):
    ceiling = np.array([0.0, 1.0, 0.0, 1.3])  # 1.3 m above the camera
    depth, _ = room.render(room.person(0.0, 2.5), planes=(ceiling, room.wall))
    assert mountings.suspected_up([depth], room.camera) is None


def test_an_image_of_a_turned_camera_has_the_recorded_size(upright, tmp_path):
    seen = record(upright, orientation.Orientation("left"), tmp_path / "turned")
    stored = cv2.imread(str(seen.path / "depth/000000.png"), cv2.IMREAD_UNCHANGED)
    assert stored.shape == (160, 120)
