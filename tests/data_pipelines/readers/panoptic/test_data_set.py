"""CMU Panoptic's Kinects: reading synthetic files with known ground truth."""

import json
import pickle
import shutil
import tarfile

import cv2
import numpy as np
import pytest
from scipy import spatial

from data_pipelines.readers.panoptic import data_set as cmu_panoptic
from data_pipelines.readers.panoptic import sync
from data_pipelines.sequences import sequence
from tests import config_data
from tests.data_pipelines.originals import cmu_panoptic as originals
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

NAME = originals.RECORDINGS["train"]


def settings(**changes):
    data = {
        "name": "cmu_panoptic",
        "variant": "",
        "keypoints": "",
        "check_counts": False,
        "skip_corrupt": False,
    }
    return config_data.typed(data | changes)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A recording of two people, and its ground truth."""
    folder = tmp_path_factory.mktemp("panoptic")
    return folder, originals.write(folder, NAME, people=2)


@pytest.fixture(scope="module")
def opened(written):
    return cmu_panoptic.open_data_set(written[0], settings())


@pytest.fixture
def copied(written, tmp_path):
    """A copy of the recording that a test may damage."""
    shutil.copytree(written[0] / NAME, tmp_path / NAME)
    return tmp_path / NAME


def sequences_of(data_set: sequence.DataSet, split: str = "train"):
    """(view, body, sequence) of each sequence; views count from 0."""
    return [(s.node - 1, s.body, s) for s in data_set.sequences[split]]


def moved(xyz, transform):
    return xyz @ transform[:3, :3].T + transform[:3, 3]


def points(seen, index=0):
    """The point cloud of a frame, world frame, metres."""
    depth = seen.depth(index)
    xyz = np.concatenate([seen.rays * depth[..., None], depth[..., None]], axis=-1)
    return moved(xyz[depth > 0], seen.world_from_depth[index])


def distance(xyz, cloud):
    return spatial.cKDTree(cloud).query(xyz)[0]


def test_a_sequence_is_one_person_in_one_kinect(opened):
    names = [
        f"{NAME}_50_01_body3_000002",
        f"{NAME}_50_01_body7_000002",
        f"{NAME}_50_02_body3_000003",
        f"{NAME}_50_02_body7_000003",
    ]
    assert [s.name for s in opened.sequences["train"]] == names
    assert "(8 of 13)" in opened.protocol
    assert not opened.skipped


def test_frames_have_a_pose_and_a_time(opened, written):
    for view, _, seen in sequences_of(opened):
        assert seen.frames == tuple(written[1].places[view])
        np.testing.assert_allclose(seen.time, 0.033356 * np.arange(4), atol=1e-9)


def test_depth_belongs_to_the_frame_and_is_not_mirrored(opened, written):
    for view, _, seen in sequences_of(opened):
        for index in range(len(seen)):
            expected = written[1].depth[view, index]
            # Stored in whole millimetres.
            np.testing.assert_allclose(seen.depth(index), expected, atol=5.1e-4)


@pytest.mark.parametrize("extracted", [False, True])
def test_color_belongs_to_the_depth_frame(copied, written, extracted):
    if extracted:
        for node in originals.NODES:
            originals.extract_pictures(copied, node)
        shutil.rmtree(copied / "kinectVideos")
    for view, _, seen in sequences_of(cmu_panoptic.open_data_set(copied, settings())):
        for index in range(len(seen)):
            expected = written[1].color[view, index].astype(float)
            # Lossy compression; adjacent frames differ more.
            assert np.abs(seen.color(index) - expected).mean() < 6


def test_joints_are_in_the_depth_camera_in_metres(opened, written):
    take = written[1]
    missing = skeletons.by_name("PANOPTIC19").index(originals.MISSING)
    for view, body, seen in sequences_of(opened):
        pose = seen.joints()
        expected = moved(take.xyz_world[body], take.depth_from_world[view])
        known = np.arange(19) != missing
        np.testing.assert_array_equal(pose.valid, np.broadcast_to(known, (4, 19)))
        np.testing.assert_allclose(pose.xyz[:, known], expected[:, known], atol=1e-5)
        np.testing.assert_allclose(pose.confidence, 0.7 * pose.valid, rtol=1e-6)


def test_joints_are_behind_the_surface_in_depth(opened):
    for _, _, seen in sequences_of(opened):
        pose = seen.joints()
        skin = distance(
            moved(pose.xyz, seen.world_from_depth[0])[pose.valid], points(seen)
        )
        assert np.median(skin) < 0.1


def test_clouds_of_both_kinects_match_in_the_world_frame(opened, written):
    views = [s for s in opened.sequences["train"] if s.body == 3]
    people = np.concatenate([x[0] for x in written[1].xyz_world.values()])
    clouds = [c[distance(c, people) < 0.2] for c in map(points, views)]
    # Pixels are 28 mm apart at the distance of the people.
    assert np.median(distance(clouds[0], clouds[1])) < 0.02


def test_projected_keypoints_include_lens_distortion(opened, written):
    take, camera = written[1], originals.COLOR
    for view, body, seen in sequences_of(opened):
        pose = take.color_from_depth[view] @ take.depth_from_world[view]
        turn = cv2.Rodrigues(pose[:3, :3])[0]
        fx, fy, cx, cy = camera.intrinsics.astype(float)
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        expected = cv2.projectPoints(
            take.xyz_world[body][0], turn, pose[:3, 3], matrix, camera.distortion
        )[0][:, 0]
        found = seen.keypoint_detections().by_frame[seen.frames[0]][0]
        seen_there = found[:, 2] > 0
        assert seen_there.sum() > 12
        np.testing.assert_allclose(
            found[seen_there, :2], expected[seen_there], atol=2e-3
        )


def test_keypoints_outside_the_image_are_missing(copied):
    path = copied / f"kcalibration_{NAME}.json"
    content = json.loads(path.read_text())
    for sensor in content["sensors"]:
        sensor["K_color"][0][2] += 80.0  # only the left half of the image is visible
    path.write_text(json.dumps(content))
    for _, _, seen in sequences_of(cmu_panoptic.open_data_set(copied, settings())):
        found = np.concatenate(list(seen.keypoint_detections().by_frame.values()))
        known = found[..., 2] > 0
        assert (found[known][:, 0] < 160).all()
        assert np.isnan(found[~known][:, :2]).all()


def test_people_far_outside_the_view_have_no_keypoints(copied):
    # 65 degrees off the axis, the lens model gives a pixel inside the image.
    for file in (copied / "hdPose3d_stage1_coco19").iterdir():
        scene = json.loads(file.read_text())
        for body in scene["bodies"]:
            joints = np.reshape(body["joints19"], (19, 4)) + [572, 0, 0, 0]
            body["joints19"] = joints.ravel().tolist()
        file.write_text(json.dumps(scene))
    opened = cmu_panoptic.open_data_set(copied, settings())
    for person in opened.sequences["train"][0].keypoint_detections().by_frame.values():
        assert (person[..., 2] == 0).all()


def test_detections_are_those_of_the_person_of_the_sequence(written, opened, tmp_path):
    # Both people in every frame, in alternating order; numbers are those of the video.
    for view, node in enumerate(originals.NODES):
        truth = {
            b: s.keypoint_detections().by_frame
            for v, b, s in sequences_of(opened)
            if v == view
        }
        entries = []
        for t in range(4):
            place = originals.LEAD["color"][view] + t + (t > originals.UNSTAMPED)
            frame = int(written[1].places[view, t])
            for body in originals.BODIES[:: 1 if t % 2 else -1]:
                keypoints = np.nan_to_num(truth[body][frame][0]) - [0.5, 0.5, 0]
                keypoints = np.where(keypoints[:, 2:] > 0, keypoints, 0.0)
                entries.append(
                    {"image_id": place, "keypoints": keypoints.ravel().tolist()}
                )
        names = list(skeletons.by_name("PANOPTIC19").joints)
        content = {"categories": [{"keypoints": names}], "annotations": entries}
        (tmp_path / f"{NAME}_50_{node:02d}.json").write_text(json.dumps(content))
    detected = cmu_panoptic.open_data_set(written[0], settings(keypoints=str(tmp_path)))
    assert "are detections" in detected.protocol
    for seen, own in zip(
        detected.sequences["train"], opened.sequences["train"], strict=True
    ):
        uv, confidence = seen.keypoints("PANOPTIC19")
        expected, sure = own.keypoints("PANOPTIC19")
        np.testing.assert_allclose(confidence, sure, atol=1e-6)
        np.testing.assert_allclose(uv, expected, atol=1e-3)


def test_missing_detections_of_a_view_are_named(written, tmp_path):
    detected = cmu_panoptic.open_data_set(written[0], settings(keypoints=str(tmp_path)))
    with pytest.raises(errors.BadInput, match=f"no keypoints of {NAME}_50_01"):
        detected.sequences["train"][0].keypoint_detections()


def test_poses_can_be_read_from_the_archive(copied, opened):
    poses = copied / "hdPose3d_stage1_coco19"
    with tarfile.open(poses.with_suffix(".tar"), "w") as archive:
        archive.add(poses, poses.name)
    shutil.rmtree(poses)
    again = cmu_panoptic.open_data_set(copied, settings()).sequences["train"]
    for a, b in zip(again, opened.sequences["train"], strict=True):
        np.testing.assert_array_equal(a.joints().xyz, b.joints().xyz)


def test_sequences_can_be_pickled(opened):
    seen = opened.sequences["train"][0]
    other = pickle.loads(pickle.dumps(seen))
    np.testing.assert_array_equal(other.depth(1), seen.depth(1))
    np.testing.assert_array_equal(other.joints().xyz, seen.joints().xyz)


def test_only_a_long_gap_ends_a_sequence(copied):
    # Depth frames are 33 ms apart; the second half is shifted by half a second.
    change_times(copied, 500.0)
    train = cmu_panoptic.open_data_set(copied, settings()).sequences["train"]
    assert [len(s) for s in train] == [2] * 8
    change_times(copied, -400.0)
    train = cmu_panoptic.open_data_set(copied, settings()).sequences["train"]
    assert [len(s) for s in train] == [4] * 4


def change_times(folder, late):
    """Shifts the last two poses and images in time."""
    path = folder / f"ksynctables_{NAME}.json"
    table = json.loads(path.read_text())
    for nodes in table["kinect"].values():
        for node in nodes.values():
            node["univ_time"][-2:] = [time + late for time in node["univ_time"][-2:]]
    path.write_text(json.dumps(table))
    for file in sorted((folder / "hdPose3d_stage1_coco19").iterdir())[-2:]:
        scene = json.loads(file.read_text())
        file.write_text(json.dumps(scene | {"univTime": scene["univTime"] + late}))
    sync.read_scenes.cache_clear()


def test_a_pose_too_far_in_time_is_not_used(copied):
    file = sorted((copied / "hdPose3d_stage1_coco19").iterdir())[0]
    scene = json.loads(file.read_text())
    # Depth is 3 ms later than its pose: 16.9 ms is within the limit, 17.1 ms is not.
    for late, frames in ((19.9, 4), (20.1, 3)):
        file.write_text(json.dumps(scene | {"univTime": scene["univTime"] + late}))
        sync.read_scenes.cache_clear()
        train = cmu_panoptic.open_data_set(copied, settings()).sequences["train"]
        assert [len(s) for s in train] == [frames] * 4


def test_color_too_far_in_time_is_not_used(copied):
    path = copied / f"ksynctables_{NAME}.json"
    table = json.loads(path.read_text())
    node = table["kinect"]["color"]["KINECTNODE1"]
    node["univ_time"] = [time + 4.6 for time in node["univ_time"]]
    path.write_text(json.dumps(table))
    train = cmu_panoptic.open_data_set(copied, settings()).sequences["train"]
    assert train[0].color(0) is None
    assert train[2].color(0) is not None


@pytest.mark.parametrize("split", sequence.SPLITS)
def test_the_name_of_a_recording_determines_its_split(split):
    assert cmu_panoptic.split_of(originals.RECORDINGS[split]) == split
    others = [f"{i}_pose1" for i in range(700)]
    share = np.mean([cmu_panoptic.split_of(name) == "validation" for name in others])
    assert abs(share - 1 / 7) < 0.04
