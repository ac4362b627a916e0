import json

import numpy as np
import pytest

from data_pipelines.keypoints import detections
from unipose_jax import errors, skeleton


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def person(u, v, confidence=1.0, joints=17, size=40.0):
    """A vertical line of keypoints, `size` pixels high, with its top at (u, v)."""
    points = np.zeros((joints, 3))
    points[:, 0], points[:, 2] = u, confidence
    points[:, 1] = v + np.linspace(0, size, joints)
    return points


def entry(frame, points, score=1.0):
    return {"image_id": frame, "keypoints": points.ravel().tolist(), "score": score}


def test_integer_pixel_centres_are_shifted_by_half_a_pixel(tmp_path):
    path = write(tmp_path / "a.json", [entry(7, person(10, 20))])
    found = detections.read(path)
    np.testing.assert_allclose(found.by_frame[7][0, 0], [10.5, 20.5, 1.0])
    assert found.joints is skeleton.COCO17


def test_missing_keypoints_have_zero_confidence(tmp_path):
    points = person(10, 20)
    points[3] = 0.0
    points[4, 0] = np.nan
    points[5, 2] = -0.1
    points[6, 2] = 1.07  # some detectors return values above 1
    found = detections.read(write(tmp_path / "a.json", [entry(0, points)])).by_frame[0]
    np.testing.assert_array_equal(found[0, 3:7, 2], [0, 0, 0, 1])
    assert np.isnan(found[0, 3:6, :2]).all()


def test_visibility_flags_become_confidence(tmp_path):
    points = person(10, 20, confidence=2)
    points[1, 2], points[2] = 1, 0
    path = write(tmp_path / "a.json", [entry(0, points)])
    found = detections.read(path).by_frame[0][0, :, 2]
    np.testing.assert_array_equal(found[:4], [1, 0.5, 0, 1])


def test_a_category_can_name_other_joints(tmp_path):
    names = ["head", "neck", "left_knee"]
    content = {
        "categories": [{"id": 1, "name": "person", "keypoints": names}],
        "annotations": [entry(0, person(10, 20, joints=3))],
    }
    found = detections.read(write(tmp_path / "a.json", content))
    uv, confidence = detections.track_person(found, [0])
    uv, confidence = detections.convert_keypoints(
        uv, confidence, found.joints, "ITOP15"
    )
    known = [skeleton.ITOP15.index(name) for name in names]
    np.testing.assert_allclose(uv[0, known, 1], [20.5, 40.5, 60.5])
    assert confidence[0].sum() == 3


def test_spine_and_head_of_itop_are_means_and_its_hands_and_feet_have_no_keypoint():
    rng = np.random.default_rng(0)
    uv, sure = rng.uniform(0, 100, (1, 17, 2)), rng.uniform(0.2, 1.0, (1, 17))
    sure[0, skeleton.COCO17.index("right_ear")] = 0.0

    def mean(*names):
        places = [skeleton.COCO17.index(f"{side}_{n}") for n in names for side in LR]
        return uv[0, places].mean(axis=0), sure[0, places].mean()

    found, confidence = detections.convert_keypoints(
        uv, sure, skeleton.COCO17, "ITOP15"
    )
    for joint, of in {
        "neck": ("shoulder",),
        "torso": ("shoulder", "hip"),
    }.items():
        index, (place, weight) = skeleton.ITOP15.index(joint), mean(*of)
        np.testing.assert_allclose(found[0, index], place, atol=1e-4)
        np.testing.assert_allclose(confidence[0, index], weight, atol=1e-6)
    none = {
        joint
        for joint, known in zip(skeleton.ITOP15.joints, confidence[0], strict=True)
        if not known
    }
    # One ear does not make a head.
    assert none == {f"{side}_{n}" for side in LR for n in ("hand", "foot")} | {"head"}


LR = ("left", "right")


@pytest.mark.parametrize("name", ["COCO17", "ITOP15", "PANOPTIC19"])
def test_to_coco_is_read_back(tmp_path, name):
    rng = np.random.default_rng(0)
    joints = skeleton.by_name(name).num_joints
    uv = rng.uniform(0, 100, (3, joints, 2)).round(2)
    confidence = rng.uniform(0.1, 1, (3, joints)).round(2)
    confidence[1, ::2] = 0
    path = write(
        tmp_path / "a.json", detections.to_coco(uv, confidence, name, [2, 4, 9])
    )
    found = detections.read(path)
    assert found.joints.joints == skeleton.by_name(name).joints
    read_uv, read_confidence = detections.track_person(found, [2, 4, 9])
    np.testing.assert_allclose(read_confidence, confidence, atol=1e-4)
    uv[confidence == 0] = np.nan
    np.testing.assert_allclose(read_uv, uv, atol=1e-4)


@pytest.mark.parametrize(("joints", "knee"), [(25, 13), (18, 12)])
def test_openpose_joint_orders_are_recognised(tmp_path, joints, knee):
    points = person(0, 0, confidence=0.5, joints=joints)
    points[:, 0] = np.arange(joints)
    content = {"people": [{"pose_keypoints_2d": points.ravel().tolist()}]}
    write(tmp_path / "video_000000000012_keypoints.json", content)
    write(tmp_path / "video_000000000013_keypoints.json", {"people": []})
    found = detections.read(tmp_path)
    assert set(found.by_frame) == {12}
    uv, confidence = detections.track_person(found, [12, 13])
    uv, confidence = detections.convert_keypoints(
        uv, confidence, found.joints, "COCO17"
    )
    left_knee = skeleton.COCO17.index("left_knee")
    assert uv[0, left_knee, 0] == knee + 0.5
    assert uv[0, skeleton.COCO17.index("nose"), 0] == 0.5
    assert (confidence[0] == 0.5).all()
    assert (confidence[1] == 0).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([entry(0, person(1, 2, joints=16))], "16 joints, expected 17 joints .COCO17"),
        ([entry(0, person(1, 2)[:, :2])], "11.3333 joints"),
        ([{"image_id": 0, "keypoints": "abc"}], "no list of numbers"),
        ([{"image_id": 0}], "no list of numbers"),
        ([{"image_id": "a", "keypoints": []}], "no frame number"),
        ([{"image_id": 0.5, "keypoints": []}], "neither an integer nor the name"),
        ([entry(0, person(1, 2)), {}], "entry 1 has no 'image_id'"),
        ([3], "no known keypoint format"),
        ("nonsense", "no known keypoint format"),
        ({"annotations": []}, "no category names"),
        ({"categories": [{"keypoints": ["a", "a"]}]}, "repeats a joint"),
    ],
)
def test_bad_coco_is_named_in_one_line(tmp_path, content, message):
    path = write(tmp_path / "a.json", content)
    with pytest.raises(errors.BadInput, match=message) as caught:
        detections.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("1.json", {"people": [{"pose_keypoints_2d": [1.0] * 51}]}, "17 joints, .* 25"),
        ("1.json", {"people": [3]}, "no list of numbers"),
        ("1.json", {}, "no known keypoint format"),
        ("1.json", {"people": 3}, "not an OpenPose file"),
        ("one.json", {"people": []}, "not an OpenPose file of a numbered frame"),
        ("1.csv", {"people": []}, "no keypoint files: .*json"),
    ],
)
def test_bad_openpose_is_named_in_one_line(tmp_path, name, content, message):
    write(tmp_path / name, content)
    with pytest.raises(errors.BadInput, match=message):
        detections.read(tmp_path)


def instance(points):
    """One person in the format of MMPose."""
    return {
        "keypoints": points[:, :2].tolist(),
        "keypoint_scores": points[:, 2].tolist(),
        "bbox": [[0, 0, 9, 9]],
        "bbox_score": 0.9,
    }


def video(*frames, joints=17):
    """A list of frames with one person each, at u = 10 * frame."""
    return [
        {"frame_id": n, "instances": [instance(person(10 * n, 5, joints=joints))]}
        for n in frames
    ]


def test_frames_of_an_mmpose_video_count_from_0(tmp_path):
    content = [*video(0, 1), {"frame_id": 2, "instances": []}, *video(3)]
    found = detections.read(write(tmp_path / "clip.json", content))
    assert found.joints is skeleton.COCO17
    assert sorted(found.by_frame) == [0, 1, 3]
    np.testing.assert_allclose(found.by_frame[3][0, 0], [30.5, 5.5, 1.0])


@pytest.mark.parametrize("first", [0, 1])
def test_frames_of_an_mmpose_demo_may_count_from_1_or_from_0(tmp_path, first):
    content = {"meta_info": {}, "instance_info": video(first, first + 2)}
    found = detections.read(write(tmp_path / "results_clip.json", content))
    assert sorted(found.by_frame) == [0, 2]
    assert found.by_frame[2][0, 0, 0] == 10 * (first + 2) + 0.5


def test_mmpose_images_have_the_numbers_of_their_files(tmp_path):
    write(tmp_path / "000003.json", [])
    write(tmp_path / "000004.json", [instance(person(1, 2)), instance(person(3, 4))])
    write(tmp_path / "000007.json", {"instance_info": [instance(person(7, 2))]})
    found = detections.read(tmp_path).by_frame
    assert {frame: len(people) for frame, people in found.items()} == {4: 2, 7: 1}
    single = detections.read(tmp_path / "000004.json").by_frame
    np.testing.assert_array_equal(single[4], found[4])


@pytest.mark.parametrize(("joints", "head_top"), [(26, 17), (133, None)])
def test_mmpose_joints_are_identified_by_their_number(tmp_path, joints, head_top):
    points = person(0, 0, joints=joints)
    points[:, 0] = np.arange(joints)
    found = detections.read(write(tmp_path / "1.json", [instance(points)]))
    uv, confidence = detections.track_person(found, [1])
    uv, confidence = detections.convert_keypoints(uv, confidence, found.joints, "BODY")
    body = skeleton.BODY
    assert uv[0, body.index("right_ankle"), 0] == 16.5
    assert confidence[0, body.index("head_top")] == (head_top is not None)
    if head_top:
        assert uv[0, body.index("head_top"), 0] == head_top + 0.5
        assert uv[0, body.index("neck"), 0] == 18.5
        assert uv[0, body.index("pelvis"), 0] == 19.5


@pytest.mark.parametrize(
    ("meta", "joint", "index"),
    [
        (
            {"keypoint_id2name": {"0": "left_knee", "1": "head", "2": "hip"}},
            "pelvis",
            2,
        ),
        ({"keypoint_id2name": {"2": "neck", "0": "a", "1": "head"}}, "head_top", 1),
        (
            {
                "keypoint_id2name": {"0": "root", "1": "left_foot"},
                "dataset_name": "h36m",
            },
            "right_ankle",
            3,
        ),
    ],
)
def test_mmpose_joints_are_identified_by_their_names(tmp_path, meta, joint, index):
    points = person(0, 0, joints=17 if "dataset_name" in meta else 3)
    points[:, 0] = np.arange(len(points))
    content = {"meta_info": meta, "instance_info": [instance(points)]}
    found = detections.read(write(tmp_path / "1.json", content))
    assert found.by_frame[1][0, found.joints.index(joint), 0] == index + 0.5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "1.json",
            [instance(person(1, 2, joints=16))],
            "16 joints, expected 17 joints",
        ),
        ("1.json", [{"keypoint_scores": [1.0] * 17}], "no list of numbers"),
        ("1.json", [instance(person(1, 2)), 3], "no list of numbers"),
        ("1.json", [{"keypoints": [[0, 0, 0]], "keypoint_scores": [1]}], "no list of"),
        ("a.json", [instance(person(1, 2))], "no frame number in the file's name"),
        ("a.json", {"instance_info": 3}, "no list of MMPose instances"),
        ("a.json", [*video(0), {"frame_id": 1}], "entry 1 has no integer 'frame_id'"),
        ("a.json", [{"frame_id": 0.5, "instances": []}], "entry 0 has no integer"),
        ("a.json", video(3, 3), "frame 3 occurs twice"),
        (
            "1.json",
            {"instance_info": [], "meta_info": {"keypoint_id2name": {"1": "a"}}},
            "does not name joints 0, 1, ... once each",
        ),
        (
            "1.json",
            {
                "instance_info": [],
                "meta_info": {"keypoint_id2name": {"0": "hip", "1": "root"}},
            },
            "does not name joints 0, 1, ... once each",
        ),
    ],
)
def test_bad_mmpose_is_named_in_one_line(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(errors.BadInput, match=message) as caught:
        detections.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mmpose_images_must_have_the_same_joints(tmp_path):
    write(tmp_path / "1.json", [instance(person(1, 2))])
    write(tmp_path / "2.json", [instance(person(1, 2, joints=26))])
    with pytest.raises(errors.BadInput, match="2.json.* 26 joints, expected 17"):
        detections.read(tmp_path)


def make_detections(people):
    stacked = {f: np.stack(p).astype(np.float32) for f, p in people.items()}
    return detections.Detections(skeleton.COCO17, stacked)


def test_the_person_with_higher_confidence_is_tracked():
    found = make_detections(
        {t: [person(10, 0, 0.3), person(90, 0, 0.9)] for t in (0, 1)}
    )
    uv, confidence = detections.track_person(found, [0, 1])
    assert (uv[..., 0] == 90).all()
    np.testing.assert_allclose(confidence, 0.9)


def test_the_larger_of_two_equally_confident_people_is_tracked():
    near, far = person(10, 0, size=80), person(90, 0, size=30)
    uv, _ = detections.track_person(make_detections({0: [far, near]}), [0])
    assert (uv[..., 0] == 10).all()


def test_the_track_does_not_jump_for_one_frame():
    # The other person has a higher confidence only in frame 2.
    frames = {t: [person(10 + t, 0, 0.6), person(300, 0, 0.5)] for t in range(5)}
    frames[2] = [person(300, 0, 0.9), person(12, 0, 0.6)]
    uv, _ = detections.track_person(make_detections(frames), range(5))
    np.testing.assert_array_equal(uv[:, 0, 0], [10, 11, 12, 13, 14])


def test_the_person_near_a_known_position_is_tracked():
    found = make_detections(
        {t: [person(10, 0, 0.9), person(90, 0, 0.5)] for t in (0, 1)}
    )
    near = np.array([[90.0, 20.0], [np.nan, np.nan]])
    uv, _ = detections.track_person(found, [0, 1], near)
    assert (uv[..., 0] == 90).all()


def test_frames_without_people_have_no_keypoints():
    uv, confidence = detections.track_person(
        make_detections({1: [person(9, 0)]}), [0, 1]
    )
    assert np.isnan(uv[0]).all()
    assert (confidence[0] == 0).all()
    assert (confidence[1] == 1).all()


def test_a_midpoint_requires_both_joints():
    uv, confidence = person(10, 0)[None, :, :2], np.ones((1, 17))
    confidence[0, skeleton.COCO17.index("left_hip")] = 0
    confidence[0, skeleton.COCO17.index("left_shoulder")] = 0.4
    uv, confidence = detections.convert_keypoints(
        uv, confidence, skeleton.COCO17, "PANOPTIC19"
    )
    assert confidence[0, skeleton.PANOPTIC19.index("pelvis")] == 0
    neck = skeleton.PANOPTIC19.index("neck")
    np.testing.assert_allclose(confidence[0, neck], 0.7, rtol=1e-6)
    np.testing.assert_allclose(uv[0, neck], [10, 40 * 5.5 / 16], rtol=1e-6)


def test_real_coco_annotations_are_read(sample_data):
    # Four images; flags, several people in one image, and people without keypoints.
    found = detections.read(sample_data / "coco" / "test_coco.json")
    assert found.joints.joints == skeleton.COCO17.joints
    assert set(found.by_frame) == {785, 40083, 196141, 197388}
