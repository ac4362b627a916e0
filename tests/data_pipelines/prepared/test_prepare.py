"""Prepared data sets from synthetic recordings with known content."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python import array_record_module

from configs import unipose
from data_pipelines.ground import schema, settings
from data_pipelines.loading import sources
from data_pipelines.prepared import prepare, storage
from data_pipelines.prepared import track_records as prepared_tracks
from data_pipelines.readers import registry
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from tests import cluster_tasks, config_data
from unipose_jax import cluster, errors


def make_data(tmp_path, name="prepared", **changes):
    data = config_data.typed(unipose.get_config("smoke").data)
    changes = {"name": "recording", "stored_points": 256} | changes
    return dataclasses.replace(data, data_dir=str(tmp_path / name), **changes)


@pytest.fixture
def recordings(make_recording, tmp_path):
    """Two recordings of twenty frames each."""
    for name in ("all/a", "all/b"):
        make_recording(name, frames=20)
    return tmp_path / "all"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_tracks_are_read_back_to_a_fraction_of_a_millimetre(recordings, tmp_path):
    data = make_data(tmp_path)
    folder = prepare.prepare(data, recordings)
    assert folder == tmp_path / "prepared" / "recording"
    stored, protocol = prepared_tracks.open_tracks(data, "validation")
    assert "last tenth" in protocol
    opened = registry.open_data_set(data, recordings).sequences["validation"]
    for track, one in zip(stored, opened, strict=True):
        read = tracks.read_track(one, skeleton="ITOP15", stored_points=256)
        assert len(track) == len(read) == 2
        for position in range(2):
            frame, expected = track.frame(position), read.frame(position)
            np.testing.assert_allclose(
                frame.pop("points"),
                expected.pop("points"),
                atol=0.51 * prepared_tracks.UNIT,
            )
            assert frame.keys() == expected.keys()
            for name, value in expected.items():
                np.testing.assert_allclose(frame[name], value, rtol=1e-6, err_msg=name)
        for name, value in read.static_fields.items():
            np.testing.assert_array_equal(track.static_fields[name], value)


def test_prepared_data_can_be_used_for_training_and_evaluation(recordings, tmp_path):
    data = make_data(tmp_path)
    prepare.prepare(data, recordings)
    batch = next(sources.open_train(data, seed=0, batch_size=4, host=0, hosts=1))
    schema.validate(batch)
    assert batch["points"].shape == (4, 3, 64, 3)
    assert len(sources.open_split(data, "test")) == 2


def test_crops_are_read_back(recordings, tmp_path):
    data = make_data(tmp_path, crop_size=24)
    prepare.prepare(data, recordings)
    stored, _ = prepared_tracks.open_tracks(data, "validation")
    opened = registry.open_data_set(data, recordings).sequences["validation"]
    for track, one in zip(stored, opened, strict=True):
        read = tracks.read_track(
            one, skeleton="ITOP15", stored_points=256, crop_size=24
        )
        assert tuple(track.crops) == read.crops == schema.CROP_FIELDS
        frame, expected = track.frame(1), read.frame(1)
        assert frame.keys() == expected.keys()
        for name in schema.CROP_FIELDS:
            assert frame[name].dtype == expected[name].dtype
            if name != "color_crop":
                np.testing.assert_array_equal(frame[name], expected[name])
        off = (
            frame["color_crop"].astype(int) - expected["color_crop"]
        )  # from JPEG compression
        assert np.abs(off).mean() < 2
        assert np.abs(off).max() < 40
    batch = next(sources.open_train(data, seed=0, batch_size=4, host=0, hosts=1))
    schema.validate(batch)
    assert batch["color_crop"].shape == (4, 3, 24, 24, 3)


def test_colors_keep_their_order_on_disk(make_recording, room, tmp_path):
    red = np.zeros((120, 160, 3), np.uint8) + np.array([200, 30, 10], np.uint8)
    make_recording("all/a", frames=10, color=[red] * 10)
    data = make_data(tmp_path, crop_size=8)
    prepare.prepare(data, tmp_path / "all")
    stored, _ = prepared_tracks.open_tracks(data, "test")
    color = stored[0].frame(0)["color_crop"]
    np.testing.assert_allclose(color[4, 4], [200, 30, 10], atol=4)


def test_sequences_without_colour_are_prepared_without_colour_crops(
    make_recording, tmp_path
):
    make_recording("all/plain", frames=10, color=None, color_camera=None)
    data = make_data(tmp_path, crop_size=8)
    prepare.prepare(data, tmp_path / "all")
    example = sources.open_split(data, "test")[0]
    schema.validate(example)
    assert "depth_crop" in example
    assert not {"color_crop", "color_crop_matrix"} & example.keys()


def test_crops_of_sequences_without_images_are_rejected(make_recording):
    one = recording.open_recording(make_recording())

    def read(one, **asked):
        return tracks.read_track(one, **asked | {"crop_size": 0})

    asked = settings.DataSettings(name="recording", stored_points=64, crop_size=8)
    with pytest.raises(errors.BadInput, match="no images to make crops from.*is 8"):
        prepared_tracks.records(one, asked, None, read)
    prepared_tracks.records(one, dataclasses.replace(asked, crop_size=0), None, read)


def test_crops_of_another_size_are_rejected(recordings, tmp_path):
    data = make_data(tmp_path, crop_size=8)
    prepare.prepare(data, recordings)
    plain = make_data(tmp_path)  # no crops requested, so stored ones are ignored
    stored, _ = prepared_tracks.open_tracks(plain, "train")
    assert not set(schema.CROP_FIELDS) & stored[0].frame(0).keys()
    for asked, folder in ((16, "prepared"), (8, "plain")):
        if folder == "plain":
            prepare.prepare(make_data(tmp_path, folder), recordings)
        other = make_data(tmp_path, folder, crop_size=asked)
        with pytest.raises(errors.BadInput, match="was prepared with crop_size=") as e:
            prepared_tracks.open_tracks(other, "train")
        assert f"config.data.crop_size is {asked}" in str(e.value)
        with pytest.raises(errors.BadInput, match="with other settings"):
            prepare.prepare(other, recordings)


def test_tfds_opens_the_folder(recordings, tmp_path):
    folder = prepare.prepare(make_data(tmp_path), recordings)
    builder = tfds.builder_from_directory(str(folder))
    assert builder.info.splits["train"].num_examples == 32
    assert builder.as_data_source(split="test")[0]["uv"].shape == (15, 2)


def test_two_workers_of_which_one_is_killed_write_the_same_bytes(
    recordings, tmp_path, monkeypatch
):
    monkeypatch.setattr(prepare, "_SHARD_FRAMES", 16)
    alone = prepare.prepare(make_data(tmp_path, "alone"), recordings)
    monkeypatch.setattr(prepare, "write_shard", cluster_tasks.write_shard_and_be_killed)
    shared = make_data(tmp_path, "shared")
    folder = prepare.prepare(shared, recordings, engine=cluster.Engine(workers=2))
    assert (tmp_path / "shared" / cluster_tasks.KILLED).exists()
    assert len(list(folder.glob("*-train.array_record*"))) == 2
    assert contents(folder) == contents(alone)


def test_workers_that_do_not_share_the_folder_are_found(
    recordings, tmp_path, monkeypatch
):
    monkeypatch.setattr(prepare, "write_shard", lambda shard, data: None)
    monkeypatch.setattr(prepare, "_SHARED_FOLDER_SECONDS", 0)
    with pytest.raises(errors.BadInput, match="must share the folder of --data_dir"):
        prepare.prepare(make_data(tmp_path), recordings)


PROGRAM = """
import sys
from configs import unipose
from data_pipelines.ground import settings
from data_pipelines.prepared import prepare
import pathlib
prepare._SHARD_FRAMES = 1
data = unipose.get_config("smoke").data
data.update(name="recording", data_dir=sys.argv[2], stored_points=256)
prepare.prepare(settings.DataSettings.from_config(data), pathlib.Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_killed_and_run_again_gives_the_same_bytes(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "_SHARD_FRAMES", 1)
    straight = prepare.prepare(make_data(tmp_path, "straight"), recordings)
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(recordings), str(killed)],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )
    while process.poll() is None and not list(killed.rglob("notes/*.json")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if not (killed / "recording").exists():  # otherwise it finished before the kill
        assert prepare.prepare(make_data(tmp_path, "killed"), recordings)
    assert contents(killed / "recording") == contents(straight)
    assert [path.name for path in killed.iterdir()] == ["recording"]


def test_a_full_disk_raises_an_os_error(recordings, tmp_path, monkeypatch):
    class Full:
        def __init__(self, *_):
            pass

        def write(self, record):
            raise RuntimeError("write() failed: No space left on device; writing x")

    monkeypatch.setattr(array_record_module, "ArrayRecordWriter", Full)
    with pytest.raises(OSError, match="No space left on device$"):
        prepare.prepare(make_data(tmp_path), recordings)
    assert not (tmp_path / "prepared" / "recording").exists()


def test_unreadable_files_are_an_error_or_are_listed(recordings, tmp_path):
    (recordings / "b" / "depth" / "000003.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(errors.BadInput, match="b/depth/000003.png"):
        prepare.prepare(make_data(tmp_path), recordings)
    folder = prepare.prepare(make_data(tmp_path, skip_corrupt=True), recordings)
    index = storage.read_index(folder)
    assert [entry["frames"] for entry in index["splits"]["train"]] == [16, 15]
    assert len(index["skipped"]) == 1
    text = prepare.summary(folder)
    assert "skipped: " in text
    assert "1 files or frames skipped" in text


@pytest.mark.parametrize(
    "name", ["a/keypoints.json", "b/camera.json", "a/mask/000001.png"]
)
def test_changed_recordings_are_not_accepted_as_the_prepared_ones(
    recordings, tmp_path, name
):
    prepare.prepare(make_data(tmp_path), recordings)
    with (recordings / name).open("a") as file:
        file.write(" ")
    with pytest.raises(errors.BadInput, match="prepared from other files"):
        prepare.prepare(make_data(tmp_path), recordings)


def test_a_data_set_with_other_settings_is_not_replaced(recordings, tmp_path):
    prepare.prepare(make_data(tmp_path), recordings)
    with pytest.raises(errors.BadInput, match="with other settings"):
        prepare.prepare(make_data(tmp_path, stored_points=128), recordings)
    with pytest.raises(errors.BadInput, match="was prepared for ITOP15"):
        prepared_tracks.open_tracks(make_data(tmp_path, skeleton="COCO17"), "train")


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_damage_is_detected(recordings, tmp_path, damage):
    data = make_data(tmp_path)
    folder = prepare.prepare(data, recordings)
    assert prepare.prepare(data, recordings) == folder  # only verifies
    path = next(folder.glob("*-train.array_record*"))
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        end = content[-1:] if damage == "cut" else b"x"
        path.write_bytes(content[:-1] + (b"" if damage == "cut" else end))
    with pytest.raises(errors.BadInput, match=path.name):
        prepare.prepare(data, recordings)
    if damage != "changed":  # sizes are checked whenever data are opened
        with pytest.raises(errors.BadInput, match=path.name):
            prepared_tracks.open_tracks(data, "train")


def test_missing_prepared_data_is_bad_input(tmp_path):
    with pytest.raises(errors.BadInput, match="make it with --mode=prepare"):
        prepared_tracks.open_tracks(make_data(tmp_path), "train")


def rendered_data(tmp_path, *, clips, **changes):
    """Settings of people who are rendered by the program that renders all pools."""
    data = make_data(tmp_path, name="rendered")
    return dataclasses.replace(
        data,
        name="synthetic",
        cache_dir="",
        train_clips=clips,
        validation_clips=1,
        test_clips=1,
        stored_points=data.scene["points"],
        **changes,
    )


def test_prepared_rendered_people_equal_those_of_a_pool(tmp_path):
    data = rendered_data(tmp_path, clips=2, crop_size=32)
    prepare.prepare(data, tmp_path)
    stored = sources.open_split(data, "test")[0]
    drawn = sources.open_split(dataclasses.replace(data, data_dir=""), "test")[0]
    for name in ("xyz", "uv", "confidence", "visible", "intrinsics", "time"):
        np.testing.assert_allclose(stored[name], drawn[name], atol=1e-5, err_msg=name)
    assert stored.keys() == drawn.keys()
    for name in set(schema.CROP_FIELDS) - {"color_crop"}:
        np.testing.assert_array_equal(stored[name], drawn[name], err_msg=name)
    off = (
        stored["color_crop"].astype(int) - drawn["color_crop"]
    )  # from JPEG compression
    assert np.abs(off).mean() < 4


def test_other_rendered_people_are_not_accepted_as_the_prepared_ones(tmp_path):
    data = rendered_data(tmp_path, clips=1)
    prepare.prepare(data, tmp_path)
    detector = {**data.scene["detector"], "noise": 1.0}
    for changes in (
        {"scene": {**data.scene, "detector": detector}},
        {"train_view": {**data.train_view, "close_share": 0.5}},
    ):
        other = {name: settings.FrozenMapping(part) for name, part in changes.items()}
        with pytest.raises(errors.BadInput, match="with other settings"):
            prepare.prepare(dataclasses.replace(data, **other), tmp_path)
