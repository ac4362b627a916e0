import dataclasses
import shutil
import zlib

import numpy as np
import pytest

from configs import unipose
from data_pipelines.loading import sources
from data_pipelines.prepared import image_records as prepared_images
from data_pipelines.prepared import prepare
from data_pipelines.readers import coco
from tests import config_data
from tests.data_pipelines.originals import coco as original
from unipose_jax import errors


def layout(folder, split, people):
    """Writes an original split in the folders of COCO's archives."""
    (folder / split).mkdir(parents=True)
    annotations, images = original.write(folder / split, people)
    (folder / "annotations").mkdir(exist_ok=True)
    annotations.rename(folder / f"annotations/person_keypoints_{split}2017.json")
    images.rename(folder / f"{split}2017")
    shutil.rmtree(folder / split)


@pytest.fixture
def source(tmp_path):
    """Forty training images and two others."""
    layout(tmp_path / "coco", "train", original.people(*[1, 2] * 20))
    layout(tmp_path / "coco", "val", original.people(2, 1))
    return tmp_path / "coco"


def make_data(tmp_path, **changes):
    changes = {"skeleton": "COCO17"} | changes
    data = config_data.typed(unipose.get_config("smoke").data)
    return dataclasses.replace(
        data, name="coco", data_dir=str(tmp_path / "d"), **changes
    )


def test_images_and_people_are_read_back(source, tmp_path):
    data = make_data(tmp_path)
    prepare.prepare(data, source)
    stored = prepared_images.ImageSource(data, "test")
    assert len(stored) == 2
    opened = coco.open_data_set(source, data).sequences["test"][0].images
    for index, image in enumerate(opened):
        example = stored[index]
        np.testing.assert_array_equal(example["image"], image.read())
        np.testing.assert_array_equal(example["uv"], image.uv)
        for name in ("confidence", "boxes", "area", "crowd"):
            np.testing.assert_array_equal(example[name], getattr(image, name))


def test_a_share_of_the_training_images_is_the_validation_split(source, tmp_path):
    sequences = coco.open_data_set(source, make_data(tmp_path)).sequences
    names = {
        split: [image.path.name for album in albums for image in album.images]
        for split, albums in sequences.items()
    }
    assert len(names["train"]) + len(names["validation"]) == 40
    assert names["validation"]
    assert all(zlib.crc32(name.encode()) % 20 == 0 for name in names["validation"])
    assert len(names["test"]) == 2


def test_joints_are_converted_to_the_skeleton_of_the_config(source, tmp_path):
    data = make_data(tmp_path, skeleton="H36M17")
    prepare.prepare(data, source)
    example = prepared_images.ImageSource(data, "test")[0]
    opened = coco.open_data_set(source, data).sequences["test"][0].images[0]
    uv, confidence = opened.keypoints("H36M17")
    np.testing.assert_array_equal(example["uv"], uv)
    np.testing.assert_array_equal(example["confidence"], confidence)


def test_an_undecodable_image_is_an_error_or_is_listed(source, tmp_path):
    (source / "train2017" / "000003.png").write_bytes(b"no image")
    with pytest.raises(errors.BadInput, match="000003.png cannot be decoded"):
        prepare.prepare(make_data(tmp_path), source)
    data = make_data(tmp_path, skip_corrupt=True)
    text = prepare.summary(prepare.prepare(data, source))
    assert "000003.png" in text


def test_missing_files_are_listed(source, tmp_path):
    shutil.rmtree(source / "val2017")
    with pytest.raises(errors.BadInput, match="lacks val2017"):
        coco.open_data_set(source, make_data(tmp_path))


def test_photographs_are_rejected_for_a_point_network(source, tmp_path):
    data = make_data(tmp_path)
    prepare.prepare(data, source)
    with pytest.raises(errors.BadInput, match="contains images, not tracks"):
        sources.open_split(data, "train")
    data = dataclasses.replace(data, data_dir="", path=str(source))
    with pytest.raises(errors.BadInput, match="not sequences of people"):
        sources.open_split(data, "train")
