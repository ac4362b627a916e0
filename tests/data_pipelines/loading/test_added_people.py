import dataclasses

import numpy as np
import pytest

from configs import pose_machine
from data_pipelines.ground import schema
from data_pipelines.loading import added_people, sources
from tests import config_data
from tests.data_pipelines.originals import videopose
from unipose_jax import errors
from unipose_jax import skeleton as skeletons
from unipose_jax.geometry import camera


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("humaneva")
    videopose.write_humaneva(folder, frames=8)
    data = config_data.typed(pose_machine.get_config("smoke").data)
    return dataclasses.replace(data, path=str(folder), variant="", added_people=6)


@pytest.fixture(scope="module")
def train(settings):
    return sources.open_split(settings, "train")


def added(source):
    return [track for track in source.tracks if track.subject == added_people.SUBJECT]


def test_added_people_stand_on_the_floor_of_the_data_set(train):
    assert 3 <= len(added(train)) <= 6
    ankles = [
        skeletons.HUMANEVA15.index(n) for n in ("left_ankle", "right_ankle", "head")
    ]
    for track in added(train):
        floor = track.static_fields["floor"]
        heights = track.per_frame["xyz"] @ floor[:3] + floor[3]
        assert heights.min() > -0.05
        assert heights[:, ankles[:2]].min() < 0.6
        assert heights[:, ankles[2]].max() < 2.5


def test_keypoints_are_the_projected_joints(train):
    for track in added(train):
        uv = camera.uv_from_xyz(
            track.per_frame["xyz"], track.static_fields["intrinsics"]
        )
        np.testing.assert_allclose(track.per_frame["uv"], uv, atol=0.01)
        assert track.per_frame["xyz_valid"].all()


def test_examples_follow_the_schema_and_are_always_the_same(settings, train):
    again = sources.open_split(settings, "train")
    number = len(train) - 1  # added people are last
    schema.validate(train[number])
    np.testing.assert_array_equal(train[number]["xyz"], again[number]["xyz"])
    assert np.ptp(train[number]["time"]) == pytest.approx(3 / 60, rel=0.01)


def test_they_have_labels_and_are_not_tested(settings):
    some = dataclasses.replace(settings, labeled_subjects="S1")
    source = sources.open_split(some, "train")
    example = source.example(len(source) - 1, np.random.default_rng(0))
    assert example["xyz_valid"].all()
    assert not added(sources.open_split(some, "test"))


def test_half_of_them_have_captured_motion(settings, tmp_path):
    # A statue of HumanEva's joints, which BODY lacks only in details.
    names = skeletons.BODY.joints
    xyz = np.zeros((30, len(names), 3), np.float32)
    rest = np.random.default_rng(0).normal(scale=0.2, size=(len(names), 3))
    xyz[:] = rest + [0.0, 1.0, 0.0]
    np.savez(tmp_path / "motion.npz", joint_names=names, statue=xyz, fps=30.0)
    some = dataclasses.replace(settings, motion=str(tmp_path / "motion.npz"))
    found = added(sources.open_split(some, "train"))
    still = [np.ptp(track.per_frame["xyz"], axis=0).max() < 1e-4 for track in found]
    assert still[: len(still) // 2] == [True] * (len(still) // 2)
    assert not all(still)


def test_cameras_without_a_floor_are_refused(settings, train):
    tracks = [
        dataclasses.replace(track, static_fields={"intrinsics": np.ones(4)})
        for track in train.tracks
        if track.subject != added_people.SUBJECT
    ]
    with pytest.raises(errors.BadInput, match="added_people=6 needs cameras with a"):
        added_people.make_tracks(tracks, settings)
