import numpy as np
import pytest

from data_pipelines.readers import coco
from tests.data_pipelines.originals import coco as original
from unipose_jax import errors, skeleton

COCO17 = skeleton.COCO17


def test_people_are_read_by_image(tmp_path):
    given = original.people(2, 0, 3)
    images = coco.open_images(*original.write(tmp_path, given))
    assert [image.path.name for image in images] == ["000000.png", "000002.png"]
    assert [image.uv.shape for image in images] == [(2, 17, 2), (3, 17, 2)]
    image = images[1]
    assert image.joints is COCO17
    # Keypoints have pixel centres at integers; boxes have pixel edges at integers.
    np.testing.assert_allclose(image.uv[:, :-1], given[2][:, :-1, :2] + 0.5)
    assert np.isnan(image.uv[:, -1]).all()
    np.testing.assert_array_equal(image.confidence[0], [1, 0.5, *[1] * 14, 0])
    np.testing.assert_allclose(image.boxes[0], [1, 2, 31, 42])
    np.testing.assert_allclose(image.area, 800.5)
    assert not image.crowd.any()


def test_images_are_rgb_and_have_the_annotated_size(tmp_path):
    image = coco.open_images(*original.write(tmp_path, original.people(1, 1)))[1]
    assert image.read().shape == (image.height, image.width, 3) == (48, 64, 3)
    np.testing.assert_array_equal(image.read()[0, 0], [201, 0, 0])


def test_keypoints_are_converted_by_joint_name(tmp_path):
    image = coco.open_images(*original.write(tmp_path, original.people(1)))[0]
    uv, confidence = image.keypoints("ITOP15")
    elbow = skeleton.ITOP15.index("left_elbow")
    np.testing.assert_allclose(uv[0, elbow], image.uv[0, COCO17.index("left_elbow")])
    assert confidence[0, skeleton.ITOP15.index("left_hand")] == 0


@pytest.mark.parametrize(("least", "left"), [(0, 2), (1, 2), (16, 2), (17, 1)])
def test_people_with_few_keypoints_are_dropped(tmp_path, least, left):
    given = original.people(2)
    given[0][1, -1] = [5, 5, 2]
    paths = original.write(tmp_path, given)
    assert len(coco.open_images(*paths, min_keypoints=least)[0].uv) == left


def test_an_image_without_remaining_people_is_dropped(tmp_path):
    given = original.people(1, 1)
    given[0][0, 3:] = 0
    paths = original.write(tmp_path, given)
    images = coco.open_images(*paths, min_keypoints=5)
    assert [image.path.name for image in images] == ["000001.png"]


def test_crowds_are_kept_only_in_images_with_people(tmp_path):
    crowd = {"category_id": 1, "iscrowd": 1, "bbox": [0, 0, 9, 9], "area": 5}

    def add_crowds(raw):
        raw["annotations"].append(crowd | {"image_id": 100, "keypoints": [0] * 51})
        raw["annotations"].append(crowd | {"image_id": 101})

    paths = original.write(tmp_path, original.people(1, 0), alter=add_crowds)
    (image,) = coco.open_images(*paths)
    np.testing.assert_array_equal(image.crowd, [False, True])
    assert np.isnan(image.uv[1]).all()


def test_flags_without_a_2_mean_labelled(tmp_path):
    given = original.people(1)
    given[0][..., 2] = np.minimum(given[0][..., 2], 1)
    image = coco.open_images(*original.write(tmp_path, given))[0]
    np.testing.assert_array_equal(image.confidence[0], [1] * 16 + [0])


@pytest.mark.parametrize(
    ("names", "target", "known"),
    [
        (original.MPII, "H36M17", {"thorax", "pelvis", "head_top", "left_knee"}),
        (original.POSETRACK, "H36M17", {"head_top", "nose", "right_wrist"}),
        (original.CROWDPOSE, "BODY", {"head_top", "neck", "left_shoulder"}),
        ([n.replace("_", " ").title() for n in original.MPII], "BODY", {"thorax"}),
    ],
)
def test_joints_of_other_data_sets_are_identified_by_name(
    tmp_path, names, target, known
):
    given = original.people(1, joints=len(names))
    given[0][0, -1] = [7, 7, 2]
    paths = original.write(tmp_path, given, names=names)
    image = coco.open_images(*paths)[0]
    confidence = image.keypoints(target)[1][0]
    skeleton_ = skeleton.by_name(target)
    found = {n for n, c in zip(skeleton_.joints, confidence, strict=True) if c > 0}
    assert known <= found
    assert "nose" in found or "nose" not in names


def test_crowdposes_head_and_posetracks_head_bottom_are_not_used(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder, names in (("a", original.CROWDPOSE), ("b", original.POSETRACK)):
        given = original.people(1, joints=len(names))
        paths = original.write(tmp_path / folder, given, names=names)
        joints = coco.open_images(*paths)[0].joints.joints
        assert not {"head", "head_bottom"} & set(joints)
    assert "neck" not in joints
    assert joints[1] == "upper_neck"


def test_missing_sizes_boxes_and_areas_are_computed(tmp_path):
    def forget(raw):
        for image in raw["images"]:
            del image["width"], image["height"]
        for person in raw["annotations"][:-1]:
            del person["bbox"], person["area"], person["iscrowd"]

    paths = original.write(tmp_path, original.people(1), alter=forget)
    image = coco.open_images(*paths)[0]
    assert (image.width, image.height) == (64, 48)
    np.testing.assert_allclose(image.boxes[0], [0, 5, 46, 6])
    np.testing.assert_allclose(image.area, 46)


def refuse(message, *arguments, **settings):
    with pytest.raises(errors.BadInput, match=message) as caught:
        coco.open_images(*arguments, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("gone", "message"), [(1, "000000.png$"), (7, "and 2 more$")])
def test_missing_images_are_listed(tmp_path, gone, message):
    paths = original.write(tmp_path, original.people(*[1] * 8))
    for number in range(gone):
        (paths[1] / f"{number:06d}.png").unlink()
    refuse(f"missing images: .*{message}", *paths)


def put(key, value, kind="annotations"):
    return lambda raw: raw[kind][0].update({key: value})


BAD = {
    "no list 'images'": lambda raw: raw.pop("images"),
    "no list 'annotations'": lambda raw: raw.update(annotations=3),
    "no category names its 'keypoints'": lambda raw: raw["categories"].pop(),
    "repeats a joint": lambda raw: raw["categories"][1]["keypoints"].append("nose"),
    "image 0 has no 'file_name'": put("file_name", 3, "images"),
    "image 0: 'width and height' must be 2 numbers": put("width", None, "images"),
    "image 0 is 0x48": put("width", 0, "images"),
    "annotation 0 has no integer 'image_id'": put("image_id", "a"),
    "annotation 0: 'keypoints' must be 51 numbers": put("keypoints", [1, 2]),
    "annotation 0: a visibility flag": put("keypoints", [3.5] * 51),
    "annotation 0: 'bbox' must be 4 numbers": put("bbox", [1, 2, 3]),
    "annotation 0: 'area' must be 1 numbers": put("area", "large"),
}


@pytest.mark.parametrize("message", BAD)
def test_an_invalid_annotation_is_reported_in_one_line(tmp_path, message):
    paths = original.write(tmp_path, original.people(1), alter=BAD[message])
    refuse(f"annotations.json.*{message}", *paths)


def test_no_remaining_people_is_an_error(tmp_path):
    paths = original.write(tmp_path, original.people(1))
    refuse("has no person with 18 keypoints", *paths, min_keypoints=18)


def test_an_unreadable_image_or_one_of_wrong_size_is_named(tmp_path):
    paths = original.write(
        tmp_path, original.people(1), alter=put("width", 65, "images")
    )
    image = coco.open_images(*paths)[0]
    with pytest.raises(
        errors.BadInput, match="is 64x48, but the annotations say 65x48"
    ):
        image.read()
    image.path.write_bytes(b"no image")
    with pytest.raises(errors.BadInput, match="000000.png cannot be decoded"):
        image.read()


def test_the_sample_of_coco_is_read(sample_data):
    folder = sample_data / "coco"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    images = coco.open_images(folder / "test_coco.json", folder)
    assert [len(image.uv) for image in images] == [1, 2, 4, 5]
    for image in images:
        assert image.read().shape == (image.height, image.width, 3)
        left, top, right, bottom = image.boxes.T[..., None]
        u, v = np.moveaxis(image.uv, -1, 0)
        inside = (u > left - 2) & (u < right + 2) & (v > top - 2) & (v < bottom + 2)
        # Labels of occluded joints are up to 11 pixels outside a person's outline.
        assert inside[image.confidence == 1].all()
