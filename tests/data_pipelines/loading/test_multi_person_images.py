import pathlib

import numpy as np
import pytest

from data_pipelines.ground import schema, settings
from data_pipelines.loading import multi_person_images, sources
from data_pipelines.readers import coco
from data_pipelines.sequences import sequence
from tests.data_pipelines.originals import coco as original
from unipose_jax import errors


def data(collections, **changes):
    values = {"skeleton": "COCO17", "height": 24, "width": 40, "max_people": 2}
    return settings.DataSettings(
        name="crowd", collections=collections, **(values | changes)
    )


def write(folder, *counts):
    folder.mkdir()
    annotations, images = original.write(folder, original.people(*counts))
    return f"{annotations}@{images}"


def photographs(place, **changes):
    annotations, images = map(pathlib.Path, place.split("@"))
    opened = coco.open_images(annotations, images)
    return multi_person_images.CocoImages(opened, data("", **changes))


def test_photographs_are_scaled_with_their_keypoints(tmp_path):
    source = photographs(write(tmp_path / "a", 2, 3))
    example = source.example(1, np.random.default_rng(0))
    assert {n: v.dtype.name for n, v in example.items()} == {
        name: field.dtype for name, field in schema.IMAGE_FIELDS.items()
    }
    # 64x48 becomes 32x24, with 8 black columns.
    picture = example["image"]
    assert picture.shape == (24, 40, 3)
    assert not picture[:, 32:].any()
    assert (picture[:, :32, 0] == 201).all()
    uv = example["people_uv"]
    np.testing.assert_allclose(uv[0, :16, 0], (3.0 * np.arange(16) + 0.5) / 2)
    np.testing.assert_array_equal(uv[0, 16], 0.0)
    np.testing.assert_array_equal(
        example["people_confidence"][0], [1, 0.5, *[1] * 14, 0]
    )
    assert not example["people_visible"].any()


def test_the_largest_people_are_kept_if_there_are_too_many(tmp_path):
    annotations, images = original.write(
        tmp_path,
        original.people(3),
        alter=lambda raw: [
            annotation.update(area=area)
            for annotation, area in zip(
                raw["annotations"], (1.0, 3.0, 2.0), strict=False
            )
        ],
    )
    source = photographs(f"{annotations}@{images}")
    example = source.example(0, np.random.default_rng(0))
    np.testing.assert_allclose(example["people_uv"][:, 0, 1], [3.25, 3.75])


def test_people_are_padded_to_a_fixed_number(tmp_path):
    source = photographs(write(tmp_path / "a", 2), max_people=5)
    example = source[0]
    assert example["people_uv"].shape == (5, 17, 2)
    assert not example["people_confidence"][2:].any()


def test_a_collection_without_pairs_of_people_is_rejected(tmp_path):
    with pytest.raises(errors.BadInput, match="no pairs of people to train on"):
        multi_person_images.open_train(data(write(tmp_path / "a", 1, 1)))
    with pytest.raises(
        errors.BadInput, match=r"max_people=1.*no pairs of people to train on"
    ):
        multi_person_images.open_train(data("rendered", max_people=1))


def test_images_of_one_person_are_dropped(tmp_path):
    source = photographs(write(tmp_path / "a", 1, 2, 1, 3))
    assert len(source) == 2


def test_collections_are_mixed_by_weight(tmp_path):
    few, many = write(tmp_path / "a", *[2] * 6), write(tmp_path / "b", *[3] * 40)
    config = data(f"{few}=0.25,{many}=0.75", max_people=3)
    batches = sources.open_train(config, seed=0, batch_size=8, host=0, hosts=1)
    people = [next(batches)["people_confidence"].any(-1).sum(-1) for _ in range(6)]
    np.testing.assert_array_equal(np.sum(np.equal(people, 2), axis=1), 2)


@pytest.mark.parametrize("count", [3, 60])
def test_splits_of_a_collection_do_not_overlap(tmp_path, count):
    config = data(write(tmp_path / "a", *[2] * count))
    parts = [multi_person_images.open_split(config, name) for name in sequence.SPLITS]
    seen = [{int(s[i]["image"][0, 0, 0]) for i in range(len(s))} for s in parts]
    assert all(seen)
    assert sum(map(len, parts)) == count
    assert sum(map(len, seen)) == len(set().union(*seen))


def test_two_images_are_too_few_for_three_splits(tmp_path):
    with pytest.raises(errors.BadInput, match="several people: 2; training, validat"):
        multi_person_images.open_train(data(write(tmp_path / "a", 2, 2, 1)))
