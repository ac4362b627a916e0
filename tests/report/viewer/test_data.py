"""Scenes become data of a page, within its limits."""

import base64
import dataclasses
import gzip
import io
import json

import numpy as np
import pytest

from tests.report.viewer import scenes
from unipose_jax.report.viewer import data, scene


def unpacked(packed):
    """A packed array as the page reads it."""
    counts = np.frombuffer(gzip.decompress(base64.b64decode(packed["data"])), "<i2")
    values = np.where(counts == -32768, np.nan, counts * packed["step"])
    return values.reshape(packed["shape"])


def test_positions_are_kept_to_a_tenth_of_a_millimetre():
    xyz = np.random.default_rng(0).uniform(-3, 3, (5, 15, 3))
    xyz[2, 3] = np.nan
    xyz[4, 1, 0] = np.inf
    found = unpacked(data.array(xyz))
    np.testing.assert_allclose(
        found, np.where(np.isfinite(xyz), xyz, np.nan), atol=1e-4
    )


@pytest.mark.parametrize("values", [np.zeros((0, 3)), np.zeros(4), np.full(2, np.nan)])
def test_arrays_without_a_value_are_kept(values):
    np.testing.assert_array_equal(unpacked(data.array(values)), values)


def test_a_scene_is_json_that_names_its_parts():
    packed = json.loads(json.dumps(data.pack([scenes.make()]), allow_nan=False))
    (one,) = packed["scenes"]
    first, second = one["people"]
    assert [poses["name"] for poses in first["poses"]] == ["prediction", "truth"]
    assert first["joints"][:3] == ["head", "neck", "right shoulder"]
    assert first["sides"][:3] == ["middle", "middle", "right"]
    assert len(first["bones"]) == 14
    assert second["clouds"]["start"] == [0, 40, 80, 120]
    assert one["time"] == [0.0, 0.1, 0.2]
    assert one["numbers"] == [6, 12, 18]
    assert one["pictures"]["kind"] == "colour"


def test_equal_scenes_give_equal_data():
    assert data.pack([scenes.make()]) == data.pack([scenes.make()])


def test_pictures_show_the_images():
    image_lib = pytest.importorskip("PIL.Image")
    images = [np.full((60, 80, 3), value, np.uint8) for value in (30, 120, 220)]
    made = scenes.make()
    pictures = dataclasses.replace(made.pictures, images=images)
    packed = data.pack([dataclasses.replace(made, pictures=pictures)])
    for file, value in zip(
        packed["scenes"][0]["pictures"]["files"], (30, 120, 220), strict=True
    ):
        found = np.asarray(image_lib.open(io.BytesIO(base64.b64decode(file))))
        assert found.shape == (60, 80, 3)
        np.testing.assert_allclose(found, value, atol=3)  # lossy


def test_depth_maps_are_pictures_too():
    pytest.importorskip("PIL")
    made = scenes.make()
    depth = [np.full((60, 80), 2.0, np.float32)] * 3
    pictures = dataclasses.replace(made.pictures, images=depth)
    packed = data.pack([dataclasses.replace(made, pictures=pictures)])
    assert packed["scenes"][0]["pictures"]["kind"] == "depth"


def test_long_recordings_stay_within_the_limit(monkeypatch):
    pytest.importorskip("PIL")
    monkeypatch.setattr(data, "BUDGET", 200_000)
    noise = np.random.default_rng(0).integers(0, 255, (3, 240, 320, 3), np.uint8)
    made = scenes.make(points=20_000)
    pictures = dataclasses.replace(made.pictures, images=list(noise))
    text = json.dumps(data.pack([dataclasses.replace(made, pictures=pictures)]))
    assert len(text) < 1.15 * 200_000  # poses and names are not counted


def test_points_that_are_nan_are_left_out():
    made = scenes.make()
    person = made.people[0]
    broken = np.array(person.clouds[0].xyz)
    broken[:5] = np.nan
    clouds = [scene.Cloud(xyz=broken), *person.clouds[1:]]
    made = dataclasses.replace(
        made, people=[dataclasses.replace(person, clouds=clouds)]
    )
    assert data.pack([made])["scenes"][0]["people"][0]["clouds"]["start"][1] == 35


def test_parts_of_different_lengths_are_refused():
    made = scenes.make()
    short = scene.Poses(name="prediction", xyz=np.zeros((2, 15, 3)))
    person = dataclasses.replace(made.people[0], poses=[short])
    with pytest.raises(ValueError, match="poses of"):
        dataclasses.replace(made, people=[made.people[1], person])
    with pytest.raises(ValueError, match="shows 2 frames"):
        dataclasses.replace(made, shown=[0, 1])
