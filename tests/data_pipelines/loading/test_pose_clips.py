import dataclasses

import numpy as np
import pytest

from configs import pose_machine
from data_pipelines.ground import schema
from data_pipelines.loading import pose_clips, sources
from tests import config_data
from tests.data_pipelines.originals import videopose
from unipose_jax import errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("humaneva")

    def add_throws(solid, flat):
        for subject in ("Train/S1", "Train/S2", "Train/S3"):
            solid[subject]["ThrowCatch 1"] = solid[subject]["Walking 1 chunk0"].copy()
            flat[subject]["ThrowCatch 1"] = flat[subject]["Walking 1 chunk0"]

    videopose.write_humaneva(folder, frames=11, alter=add_throws)
    return folder


def opened(folder, split, **changes) -> pose_clips.PoseClips:
    data = config_data.typed(pose_machine.get_config("smoke").data)
    data = dataclasses.replace(data, path=str(folder), **changes)
    return sources.open_split(data, split)


def test_examples_follow_the_schema(folder):
    source = opened(folder, "test")
    schema.validate(source[0])
    schema.validate(source.example(0, np.random.default_rng(0)))
    assert source[0]["points"].shape == (4, 0, 3)


@pytest.mark.parametrize("step", [1, 2])
def test_every_frame_is_evaluated_once(folder, step):
    source = opened(folder, "test", frame_step=step)
    scored = sum(int(source[i]["xyz_valid"][:, 0].sum()) for i in range(len(source)))
    assert scored == sum(len(track) for track in source.tracks)


def test_training_clips_do_not_cross_a_gap(folder):
    source = opened(folder, "train")
    track = source.tracks[0]
    time = np.arange(len(track)) / 60.0 + np.where(np.arange(len(track)) < 6, 0.0, 30.0)
    paused = dataclasses.replace(track, time=time)
    source = pose_clips.PoseClips([paused], num_frames=4)
    rng = np.random.default_rng(0)
    lengths = [
        np.ptp(source.example(index, rng)["time"])
        for index in range(len(source))
        for _ in range(20)
    ]
    assert 0.0 < max(lengths) < 1.0  # seconds


def test_training_clips_are_consecutive_frames_from_a_random_start(folder):
    source = opened(folder, "train")
    rng = np.random.default_rng(0)
    starts = set()
    for _ in range(60):
        clip = source.example(1, rng)
        track = source._poses[source.clips[1][0]]
        gaps = np.linalg.norm(track["xyz"] - clip["xyz"][0], axis=-1).max(-1)
        start = int(gaps.argmin())
        starts.add(start)
        np.testing.assert_array_equal(clip["uv"], track["uv"][start : start + 4])
        assert clip["xyz_valid"].all()
    assert len(starts) >= 4


def test_the_usual_split_validates_on_throwing_and_trains_on_all_subjects(folder):
    people = {track.subject for track in opened(folder, "train").tracks}
    assert people == {"S1", "S2", "S3"}
    names = [track.name for track in opened(folder, "validation").tracks]
    assert len(names) == 9
    assert all("ThrowCatch" in name for name in names)
    assert set(opened(folder, "test").groups()) == {f"S{i} Walking" for i in (1, 2, 3)}


def test_subjects_without_labels_give_only_keypoints_or_no_clips(folder):
    rng = np.random.default_rng(0)
    some = opened(folder, "train", labeled_subjects="S1,S3")
    without = [
        not some.example(i, rng)["xyz_valid"].any() for i in range(len(some.clips))
    ]
    people = [some.tracks[number].subject for number, _ in some.clips]
    assert without == [person == "S2" for person in people]
    unlabelled = some.example(without.index(True), rng)
    assert np.isnan(unlabelled["xyz"]).all()
    assert unlabelled["confidence"].all()
    fewer = opened(
        folder, "train", labeled_subjects="S1,S3", use_unlabeled_keypoints=False
    )
    assert {track.subject for track in fewer.tracks} == {"S1", "S3"}
    scored = opened(folder, "test", labeled_subjects="S1,S3")
    assert all(scored[i]["xyz_valid"].any() for i in range(0, len(scored), 3))


def test_unknown_labeled_subjects_are_rejected(folder):
    with pytest.raises(errors.BadInput, match="labeled_subjects has no subject"):
        opened(folder, "train", labeled_subjects="S7").check_supervision()


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("Validate_S1_Walking_1_chunk2_cam0", "S1 Walking"),
        ("S9_Walking_Dog_1_cam3", "S9 Walking Dog"),
        ("S9_Photo_cam3", "S9 Photo"),
        ("my clip", "my clip"),
    ],
)
def test_the_action_is_read_from_the_name(name, action):
    assert pose_clips.action_of(name) == action
