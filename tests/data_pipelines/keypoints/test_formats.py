"""Files of other tools, one small file each, written as these tools write them."""

import json

import numpy as np
import pytest

from data_pipelines.keypoints import detections, joint_orders, picture
from unipose_jax import errors, skeleton

WIDTH, HEIGHT = 320, 240
CAMERA = picture.Picture(WIDTH, HEIGHT)


def person(joints=17, at=(100.0, 40.0)):
    """(joints, 3): joint j is at u = 100 + j, v = 40 + 2 j, with confidence 0.9."""
    index = np.arange(joints)
    uv = np.stack([at[0] + index, at[1] + 2 * index], axis=1)
    return np.concatenate([uv, np.full((joints, 1), 0.9)], axis=1)


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read(path, camera=CAMERA):
    return detections.read(path, camera)


def check(found, frames, joints=17, atol=1e-3):
    """The file gives `person` in these frames."""
    assert sorted(found.by_frame) == list(frames)
    for people in found.by_frame.values():
        expected = person(joints)
        expected[:, :2] += 0.5
        np.testing.assert_allclose(people[0], expected, atol=atol)


def entry(image, joints=17):
    return {
        "image_id": image,
        "category_id": 1,
        "keypoints": person(joints).ravel().tolist(),
        "score": 2.9,
    }


@pytest.mark.parametrize("joints", [17, 26, 133, 136])
@pytest.mark.parametrize("names", [("000003.png", "000004.png"), ("3.jpg", "4.jpg")])
def test_alphapose_names_pictures(tmp_path, joints, names):
    content = [entry(name, joints) | {"box": [1, 2, 3, 4], "idx": 1} for name in names]
    found = read(write(tmp_path / "a.json", content))
    check(found, [3, 4], joints)
    assert found.joints.joints[16] == "right_ankle"
    assert found.joints.num_joints == joints


def table(names, first=1, size=(WIDTH, HEIGHT)):
    """Annotations whose pictures are numbered from `first`."""
    names_of_joints = list(skeleton.COCO17.joints)
    images = [
        {"id": first + i, "file_name": name, "width": size[0], "height": size[1]}
        for i, name in enumerate(names)
    ]
    return {
        "images": images,
        "categories": [
            {"id": 7, "name": "chair"},
            {"id": 1, "name": "person", "keypoints": names_of_joints},
        ],
        "annotations": [
            *(entry(image["id"]) for image in images),
            {"image_id": images[0]["id"], "category_id": 7, "bbox": [1, 2, 3, 4]},
        ],
    }


@pytest.mark.parametrize(
    "form",
    ["{:06d}.png", "color/{:06d}.jpg", "3fa2b1-{:06d}.png", "{:06d}_png.rf.9a.jpg"],
)
def test_a_table_of_images_joins_by_file_name(tmp_path, form):
    content = table([form.format(n) for n in (0, 1, 5)])
    check(read(write(tmp_path / "a.json", content)), [0, 1, 5])


@pytest.mark.parametrize("size", [(640, 480), (160, 120), (320, 256)])
def test_keypoints_of_a_picture_of_another_size_are_refused(tmp_path, size):
    path = write(tmp_path / "a.json", table(["000000.png"], size=size))
    message = f"{size[0]}x{size[1]}, but the camera of the keypoints has 320x240"
    with pytest.raises(errors.BadInput, match=message):
        read(path)


def test_keypoints_of_a_resized_picture_are_scaled_on_request(tmp_path):
    content = table(["000000.png"], size=(640, 480))
    values = person()
    values[:, :2] = 2 * (values[:, :2] + 0.5) - 0.5
    content["annotations"][0]["keypoints"] = values.ravel().tolist()
    path = write(tmp_path / "a.json", content)
    found = read(path, picture.Picture(WIDTH, HEIGHT, (640, 480)))
    check(found, [0])
    assert found.notes == ("keypoints were scaled from 640x480 to the camera's size",)
    with pytest.raises(errors.BadInput, match="640x480, but camera.json says 160x120"):
        read(path, picture.Picture(WIDTH, HEIGHT, (160, 120)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][0].update(image_id=99), "99 is not among the 'im"),
        (lambda c: c["images"][0].update(file_name="a.png"), "no frame number"),
        (lambda c: c["images"][0].update(file_name="000001.png"), "both frame 1"),
        (lambda c: c["images"][0].update(id=2), "an 'id' occurs twice"),
        (lambda c: c["images"][0].pop("id"), "has no 'id'"),
        (lambda c: c.update(images=[3]), "has no 'id'"),
    ],
)
def test_a_wrong_table_of_images_is_refused(tmp_path, change, message):
    content = table(["000000.png", "000001.png"])
    change(content)
    with pytest.raises(errors.BadInput, match=message):
        read(write(tmp_path / "a.json", content))


def landmarks(at=(0, 0)):
    """33 landmarks at u = 100 + j, v = 40 + 2 j of the picture."""
    return [
        {"x": u / WIDTH, "y": v / HEIGHT, "z": -0.1, "visibility": 0.9, "presence": 1}
        for u, v, _ in person(33)
    ]


def as_rows(points):
    return [[p["x"], p["y"], p["z"], p["visibility"]] for p in points]


@pytest.mark.parametrize(
    "content",
    [
        [
            {"frame": f, "timestamp_ms": 66, "pose_landmarks": landmarks()}
            for f in (2, 3)
        ],
        [{"frame": f, "pose_landmarks": [landmarks(), landmarks()]} for f in (2, 3)],
        {
            "frames": [
                {"frame_id": f, "landmarks": as_rows(landmarks())} for f in (2, 3)
            ]
        },
        [
            {"image": f"00000{f}.png", "pose_landmarks": {"landmark": landmarks()}}
            for f in (2, 3)
        ],
        [{"frame": 1, "pose_landmarks": []}]
        + [{"frame": f, "pose_landmarks": landmarks()} for f in (2, 3)],
    ],
)
def test_mediapipe_landmarks_are_shares_of_the_picture(tmp_path, content):
    found = read(write(tmp_path / "a.json", content))
    check(found, [2, 3], 33)
    assert found.joints is joint_orders.MEDIAPIPE33
    assert found.joints.joints[28] == "right_ankle"


def test_mediapipe_files_of_single_frames_have_the_numbers_of_their_names(tmp_path):
    for frame in (4, 9):
        content = {"pose_landmarks": landmarks() if frame == 9 else None}
        write(tmp_path / f"{frame:06d}.json", content)
    check(read(tmp_path), [9], 33)


def test_mediapipe_without_frame_numbers_is_counted_and_said(tmp_path):
    found = read(write(tmp_path / "a.json", [{"landmarks": landmarks()}] * 2))
    check(found, [0, 1], 33)
    assert found.notes == ("frames are counted from 0 in the order of the file",)


def test_mediapipe_timestamps_stand_in_for_frame_numbers(tmp_path):
    content = [
        {"timestamp_ms": 33 * i, "pose_landmarks": landmarks()} for i in range(3)
    ]
    found = read(write(tmp_path / "a.json", content))
    assert found.time == pytest.approx({0: 0.0, 1: 0.033, 2: 0.066})


def test_a_landmark_at_the_origin_was_not_found(tmp_path):
    points = landmarks()
    points[5] |= {"x": 0.0, "y": 0.0}
    found = read(write(tmp_path / "a.json", [{"frame": 0, "pose_landmarks": points}]))
    assert found.by_frame[0][0, 5, 2] == 0
    assert (found.by_frame[0][0, :5, 2] > 0).all()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (landmarks()[:32], "32 landmarks, expected 33"),
        ([{"x": 0.5}] * 33, "no x, y and visibility"),
        ([["a"]] * 33, "no x, y and visibility"),
        (3, "no list"),
    ],
)
def test_bad_landmarks_are_refused(tmp_path, points, message):
    content = [{"frame": 0, "pose_landmarks": points}]
    with pytest.raises(errors.BadInput, match=message):
        read(write(tmp_path / "a.json", content))


def test_shares_need_the_size_of_the_picture(tmp_path):
    path = write(tmp_path / "a.json", [{"frame": 0, "pose_landmarks": landmarks()}])
    with pytest.raises(errors.BadInput, match="need the picture's size"):
        read(path, None)


def text_line(tail=(), confidence=True):
    values = person()
    values[:, :2] /= (WIDTH, HEIGHT)
    values = values if confidence else values[:, :2]
    numbers = [0, 0.5, 0.5, 0.2, 0.6, *values.ravel(), *tail]
    return " ".join(f"{number:.6f}" for number in numbers)


@pytest.mark.parametrize(
    ("names", "frames", "said"),
    [
        (("clip_1", "clip_3"), [0, 2], True),
        (("clip_0", "clip_3"), [0, 3], False),
        (("000001", "000003"), [1, 3], False),
    ],
)
def test_ultralytics_text_counts_the_frames_of_videos_from_1(
    tmp_path, names, frames, said
):
    for name, tail in zip(names, [(), (0.91, 4)], strict=True):
        write(tmp_path / f"{name}.txt", text_line(tail) + "\n")
    found = read(tmp_path)
    check(found, frames)
    assert bool(found.notes) == said


def test_ultralytics_text_without_confidences_is_read(tmp_path):
    write(tmp_path / "000001.txt", text_line(confidence=False))
    write(tmp_path / "000002.txt", "")
    found = read(tmp_path).by_frame
    assert set(found) == {1}
    assert (found[1][0, :, 2] == 1).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [("0 0.5 0.5 1 1", "5 numbers, expected"), ("a b", "not made of numbers")],
)
def test_bad_ultralytics_text_is_refused(tmp_path, text, message):
    write(tmp_path / "000001.txt", text)
    with pytest.raises(errors.BadInput, match=message):
        read(tmp_path)


def yolo(shares=False):
    values = person()
    values[:, :2] /= (WIDTH, HEIGHT) if shares else 1
    u, v, visible = values.T.tolist()
    side = 0.5 if shares else 90.0
    return {
        "name": "person",
        "class": 0,
        "confidence": 0.9,
        "box": {"x1": 0.1, "y1": 0.1, "x2": side, "y2": side},
        "keypoints": {"x": u, "y": v, "visible": visible},
    }


@pytest.mark.parametrize("shares", [False, True])
def test_ultralytics_json_is_read_in_pixels_and_shares(tmp_path, shares):
    write(tmp_path / "folder/000002.json", [yolo(shares)])
    write(tmp_path / "folder/000003.json", [])
    check(read(tmp_path / "folder"), [2])
    check(
        read(write(tmp_path / "a.json", [[yolo(shares)], [], [yolo(shares)]])), [0, 2]
    )


def test_bad_ultralytics_json_is_refused(tmp_path):
    bad = yolo() | {"keypoints": {"x": [1.0], "y": [2.0]}}
    with pytest.raises(errors.BadInput, match="1 joints, expected 17"):
        read(write(tmp_path / "a.json", [[bad]]))
    with pytest.raises(errors.BadInput, match="no frame number"):
        read(write(tmp_path / "b.json", [yolo()]))


@pytest.mark.parametrize("joints", [25, 18])
@pytest.mark.parametrize(
    ("scale", "note"), [("pixels", False), ("[0, 1]", True), ("[-1, 1]", True)]
)
def test_openpose_is_read_with_any_scale(tmp_path, joints, scale, note):
    values = person(joints)
    if scale != "pixels":
        values[:, :2] /= (WIDTH - 1, HEIGHT - 1)
    if scale == "[-1, 1]":
        values[:, :2] = 2 * values[:, :2] - 1
    content = {"people": [{"pose_keypoints_2d": values.ravel().tolist()}]}
    write(tmp_path / "video_000000000007_keypoints.json", content)
    found = read(tmp_path)
    check(found, [7], joints)
    assert bool(found.notes) == note


def test_unknown_files_are_refused_with_what_they_hold(tmp_path):
    for content, held in (
        ([{"bbox": 1, "label": 2}], "a list of entries with 'bbox', 'label'"),
        ({"shapes": []}, "an object with 'shapes'"),
        ({}, "it is empty"),
        (3, "it is int"),
    ):
        path = write(tmp_path / "a.json", content)
        with pytest.raises(errors.BadInput, match="no known keypoint format") as caught:
            read(path)
        assert held in str(caught.value)
    write(tmp_path / "folder/000000.json", [entry(0)])
    with pytest.raises(errors.BadInput, match="go into keypoints.json"):
        read(tmp_path / "folder")
