import ml_collections
import numpy as np
import pytest

from data_pipelines import (
    detections,
    errors,
    loader,
    pose_file,
    recording,
    recording_source,
    schema,
)

OPTIONS = {"skeleton": "ITOP15", "num_frames": 2, "num_points": 64}


def open_source(*paths, **options):
    opened = [recording.open_recording(path) for path in paths]
    return recording_source.RecordingSource(opened, **OPTIONS | options)


@pytest.mark.parametrize("mask", [True, False])
def test_examples_follow_the_schema(make_recording, mask):
    source = open_source(make_recording(frames=5, **({} if mask else {"mask": None})))
    assert len(source) == 3
    for index in range(3):
        schema.validate(source[index])
    assert source[0]["points"].shape == (2, 64, 3)
    np.testing.assert_allclose(source[2]["time"], [0, 0.1], atol=1e-6)
    np.testing.assert_array_equal(source.clips[2][1], [3, 4])


@pytest.mark.parametrize("mask", [True, False])
def test_points_are_the_person_s(make_recording, room, mask):
    source = open_source(make_recording(**({} if mask else {"mask": None})))
    spheres = room.person(0.1, 2.5)
    points = source[0]["points"][1][source[0]["points_valid"][1]]
    away = np.linalg.norm(points[:, None] - spheres[:, :3], axis=-1) - spheres[:, 3]
    # On the surface of some sphere, to the millimetre of the depth files.
    assert np.abs(away).min(axis=1).max() < 0.002


def test_the_same_example_has_the_same_points(make_recording):
    path = make_recording()
    first, second = open_source(path), open_source(path)
    np.testing.assert_array_equal(first[0]["points"], first[0]["points"])
    np.testing.assert_array_equal(first[0]["points"], second[0]["points"])
    other = first.example(0, np.random.default_rng(9))["points"]
    assert (other != first[0]["points"]).any()


def test_without_keypoints_there_is_no_confidence(make_recording):
    example = open_source(make_recording())[0]
    assert (example["confidence"] == 0).all()
    assert np.isfinite(example["uv"]).all()


def test_without_truth_nothing_is_valid(make_recording):
    example = open_source(make_recording(joints=None))[0]
    assert np.isnan(example["xyz"]).all()
    assert not example["xyz_valid"].any()
    assert not example["visible"].any()


def test_truth_is_converted_and_hidden_joints_are_not_visible(make_recording, room):
    torso = np.array([0.0, 0.1, 2.5])
    xyz = np.full((3, 25, 3), np.nan, np.float32)
    xyz[:, 1] = torso  # NTU25 torso, 15 cm under the skin
    xyz[:, 3] = [0.0, -0.35, 3.2]  # head, 80 cm behind the surface
    pose = pose_file.PoseFile(
        xyz=xyz,
        confidence=np.ones((3, 25), np.float32),
        skeleton="NTU25",
        time=np.arange(3.0),
        valid=np.isfinite(xyz).all(-1),
    )
    example = open_source(make_recording(joints=pose))[0]
    np.testing.assert_allclose(example["xyz"][0, 8], torso)
    np.testing.assert_array_equal(np.nonzero(example["xyz_valid"][0])[0], [0, 8])
    np.testing.assert_array_equal(np.nonzero(example["visible"][0])[0], [8])


def two_people(room):
    """Depth of a far and a near person, and 17 keypoints on each."""
    people = [room.person(-0.6, 3.4), room.person(0.5, 2.4)]
    depth, _ = room.render(np.concatenate(people))
    uv = np.stack([room.camera.project(p[np.arange(17) * 3, :3]) for p in people])
    return people, depth, uv


def test_keypoints_choose_the_person(make_recording, room):
    people, depth, uv = two_people(room)
    keypoints = detections.to_coco(uv[:1].repeat(3, 0), np.ones((3, 17)), "COCO17")
    source = open_source(
        make_recording(depth=[depth] * 3, mask=None, keypoints=keypoints)
    )
    assert np.median(source[0]["points"][0, :, 2]) == pytest.approx(3.3, abs=0.1)
    plain = open_source(make_recording("plain", depth=[depth] * 3, mask=None))
    assert np.median(plain[0]["points"][0, :, 2]) == pytest.approx(2.3, abs=0.1)


def test_masks_choose_the_keypoints(make_recording, room):
    people, depth, uv = two_people(room)
    mask = np.abs(depth - 3.3) < 0.3
    mask &= room.render(people[0])[1] == 1
    both = [
        entry
        for person, confidence in zip(uv, (0.5, 1.0), strict=True)
        for entry in detections.to_coco(
            person[None].repeat(3, 0), np.full((3, 17), confidence), "COCO17"
        )
    ]
    path = make_recording(depth=[depth] * 3, mask=[mask] * 3, keypoints=both)
    keypoints = recording_source.read_keypoints(
        recording.open_recording(path), "COCO17"
    )
    np.testing.assert_allclose(keypoints.confidence, 0.5)


def test_several_recordings_are_one_source(make_recording):
    source = open_source(make_recording("a", frames=4), make_recording("b", frames=2))
    assert [number for number, _ in source.clips] == [0, 0, 1]


def test_no_recordings_is_bad_input():
    with pytest.raises(errors.BadInput, match="no recordings"):
        recording_source.RecordingSource([], **OPTIONS)


def test_an_empty_frame_has_no_points(make_recording, room):
    depth, shown = room.render(room.person(0.0, 2.5))
    path = make_recording(depth=[depth, 0 * depth, depth], mask=[shown == 1] * 3)
    example = open_source(path, num_frames=3)[0]
    schema.validate(example)
    np.testing.assert_array_equal(example["points_valid"].any(-1), [True, False, True])


def make_config(path):
    data = {"path": str(path), "skeleton": "ITOP15", "frames": 2, "num_points": 16}
    return ml_collections.ConfigDict({"data": data, "global_batch_size": 2, "seed": 0})


def open_split(config, split):
    return recording_source.open_split(config, split)


def test_one_recording_is_split_in_time(make_recording):
    config = make_config(make_recording(frames=20))
    splits = {
        split: {
            int(window[0])
            for _, window in recording_source.open_split(config, split).clips
        }
        for split in ("train", "validation", "test")
    }
    assert splits == {
        "train": {0, 2, 4, 6, 8, 10, 12, 14},
        "validation": {16},
        "test": {18},
    }
    batch = next(recording_source.open_train(config, host=0, hosts=1))
    schema.validate(batch)
    assert batch["points"].shape == (2, 2, 16, 3)


def test_divided_recording_shares_no_frame_between_splits(make_recording):
    config = make_config(make_recording(frames=31))  # the last clip would overlap
    splits = ("train", "validation", "test")
    frames = [
        int(frame)
        for split in splits
        for _, window in open_split(config, split).clips
        for frame in window
    ]
    assert len(frames) == len(set(frames)) == 30


def test_recording_without_keypoints_cannot_teach(make_recording):
    config = make_config(make_recording(frames=20, joints=None))
    with pytest.raises(errors.BadInput, match="no keypoints to learn from"):
        recording_source.open_train(config, host=0, hosts=1)


def test_keypoints_must_know_the_joints_that_are_learnt(make_recording):
    uv = np.full((20, 17, 2), 30.0)
    keypoints = detections.to_coco(uv, np.ones((20, 17)), "COCO17")
    path = make_recording(frames=20, joints=None, keypoints=keypoints)
    lacking = "no right_hand, left_hand, right_foot, left_foot of ITOP15"
    with pytest.raises(errors.BadInput, match=lacking):
        recording_source.open_train(make_config(path), host=0, hosts=1)
    config = make_config(path)
    config.data.skeleton = "COCO17"
    batch = next(recording_source.open_train(config, host=0, hosts=1))
    assert (batch["confidence"] > 0).all()


def test_split_folders_are_used_where_present(make_recording, tmp_path):
    for split, frames in (("train", 6), ("validation", 4), ("test", 2)):
        make_recording(f"all/{split}/one", frames=frames)
    config = make_config(tmp_path / "all")
    assert len(open_split(config, "train")) == 3
    assert len(open_split(config, "validation")) == 2
    assert len(open_split(config, "test")) == 1


def test_no_recording_at_the_path_is_bad_input(tmp_path):
    with pytest.raises(errors.BadInput, match="no recording .* at"):
        open_split(make_config(tmp_path), "train")


def test_a_recording_too_short_for_a_split_is_bad_input(make_recording):
    config = make_config(make_recording(frames=2))
    with pytest.raises(errors.BadInput, match="too short to hold a test split"):
        open_split(config, "test")


def test_a_source_feeds_the_loader(make_recording):
    batches = loader.Loader(open_source(make_recording(frames=4)), batch_size=2)
    schema.validate(next(batches))
