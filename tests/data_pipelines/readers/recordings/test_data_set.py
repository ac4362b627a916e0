import numpy as np
import pytest

from configs import recording
from data_pipelines.ground import schema
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import data_set
from tests import config_data
from unipose_jax import errors


def make_config(path, **changes):
    config = recording.get_config("quick")
    config.global_batch_size, config.data.skeleton = 2, "ITOP15"
    config.data.update(
        path=str(path), frames=2, num_points=16, stored_points=64, frame_step=1
    )
    config.data.update(changes)
    return config


def open_data_set(path, **changes):
    return data_set.open_data_set(
        path, config_data.typed(make_config(path, **changes).data)
    )


def test_one_recording_is_split_in_time(make_recording):
    path = make_recording(frames=31)
    opened = open_data_set(path)
    frames = {split: one.frames for split, (one,) in opened.sequences.items()}
    assert frames == {
        "train": tuple(range(24)),
        "validation": tuple(range(24, 27)),
        "test": tuple(range(27, 31)),
    }
    test = opened.sequences["test"][0]
    np.testing.assert_allclose(test.time, [2.7, 2.8, 2.9, 3.0])
    assert len(test.joints()) == 4
    whole = opened.sequences["train"][0].whole
    np.testing.assert_array_equal(test.depth(1), whole.depth(28))
    np.testing.assert_array_equal(test.mask(1), whole.mask(28))
    np.testing.assert_array_equal(test.color(1), whole.color(28))


def test_a_recording_can_be_used_for_training(make_recording):
    config = make_config(make_recording(frames=20))
    batch = next(config_data.open_train(config, host=0, hosts=1))
    schema.validate(batch)
    assert batch["points"].shape == (2, 2, 16, 3)
    assert not set(schema.CROP_FIELDS) & batch.keys()


def test_a_recording_has_the_crops_of_the_config(make_recording):
    config = make_config(make_recording(frames=20), crop_size=12)
    batch = next(config_data.open_train(config, host=0, hosts=1))
    schema.validate(batch)
    assert batch["depth_crop"].shape == (2, 2, 12, 12)
    assert batch["color_crop"].shape == (2, 2, 12, 12, 3)


def test_a_recording_without_keypoints_cannot_be_used_for_training(make_recording):
    config = make_config(make_recording(frames=20, joints=None))
    with pytest.raises(errors.BadInput, match="no keypoints to train on"):
        config_data.open_train(config, host=0, hosts=1)


def test_keypoints_must_have_the_joints_to_train(make_recording):
    uv = np.full((20, 17, 2), 66.0)  # on the torso, which walks to the right
    uv[..., 0] = 80.0 + 5.6 * np.arange(20)[:, None]
    keypoints = detections.to_coco(uv, np.ones((20, 17)), "COCO17")
    path = make_recording(frames=20, joints=None, keypoints=keypoints)
    lacking = "no right_hand, left_hand, right_foot, left_foot of ITOP15"
    with pytest.raises(errors.BadInput, match=lacking):
        config_data.open_train(make_config(path), host=0, hosts=1)
    config = make_config(path, skeleton="COCO17")
    batch = next(config_data.open_train(config, host=0, hosts=1))
    assert (batch["confidence"] > 0).all()


def test_split_folders_are_used_if_present(make_recording, tmp_path):
    for split, frames in (("train", 6), ("validation", 4), ("test", 2)):
        make_recording(f"all/{split}/one", frames=frames)
    opened = open_data_set(tmp_path / "all")
    lengths = {split: [len(one) for one in v] for split, v in opened.sequences.items()}
    assert lengths == {"train": [6], "validation": [4], "test": [2]}
    assert opened.sequences["train"][0].name == "train-one"


def test_no_recording_at_the_path_is_bad_input(tmp_path):
    with pytest.raises(errors.BadInput, match="no recording .* at"):
        open_data_set(tmp_path)


def test_an_invalid_recording_is_skipped_only_if_allowed(make_recording, tmp_path):
    for name in ("all/good", "all/bad"):
        make_recording(name, frames=10)
    (tmp_path / "all" / "bad" / "camera.json").write_text("{}")
    with pytest.raises(errors.BadInput, match="camera.json has no 'depth' camera"):
        open_data_set(tmp_path / "all")
    opened = open_data_set(tmp_path / "all", skip_corrupt=True)
    assert [one.name for one in opened.sequences["train"]] == ["good-0"]
    assert len(opened.skipped) == 1


def test_an_unreadable_first_frame_is_skipped(make_recording):
    path = make_recording("cut", frames=20)
    (path / "depth" / "000000.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    opened = open_data_set(path, skip_corrupt=True)
    assert not opened.skipped  # frames are skipped when they are read
    assert [len(parts[0]) for parts in opened.sequences.values()] == [16, 2, 2]


def test_a_recording_too_short_for_a_split_is_bad_input(make_recording):
    config = make_config(make_recording(frames=1))
    with pytest.raises(errors.BadInput, match="too short for a train split"):
        config_data.open_split(config, "train")


def test_a_path_is_required(tmp_path):
    with pytest.raises(errors.BadInput, match="needs config.data.data_dir"):
        config_data.open_split(make_config(""), "train")


def test_an_unknown_name_lists_the_choices(tmp_path):
    with pytest.raises(errors.BadInput, match="use one of synthetic, recording, itop"):
        config_data.open_split(make_config(tmp_path, name="itpo"), "train")
