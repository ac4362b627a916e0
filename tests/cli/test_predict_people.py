"""Whom `predict` follows: one person, or everyone."""

import itertools
import threading

import numpy as np
import pytest

from data_pipelines.ground import pose_file
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from tests.data_pipelines import conftest as rooms
from unipose_jax import errors, estimator
from unipose_jax.cli import predict, recorded_scene, views

X = np.linspace(-0.8, 0.8, 6)


class Network:
    """A network that puts all joints into the middle of the points."""

    inputs, skeleton, frames, num_points = ("points",), "ITOP15", 1, 64
    calibration, max_interval, crop_size = (), 0.15, 0
    takes_keypoints = False

    def check_points(self):
        pass

    def body_probability(self, points):
        self.asked = [*getattr(self, "asked", []), len(points)]
        return np.ones(len(points))

    def from_fields(self, fields):
        middle = np.median(fields["points"], axis=2, keepdims=True)
        return middle.repeat(15, axis=2), np.ones((*middle.shape[:2], 15))

    def calibrated(self, xyz, confidence, points, *, with_keypoints):
        return confidence


@pytest.fixture(scope="module")
def crossing(tmp_path_factory):
    """Two people who cross; `keypoints.json` names the one behind."""
    pairs = [(rooms.person_spheres(x, 2.2), rooms.person_spheres(-x, 3.1)) for x in X]
    joints = [rooms.CAMERA.project(far[:17, :3]) for _, far in pairs]
    path = tmp_path_factory.mktemp("people") / "crossing"
    recording.write_recording(
        path,
        depth=[rooms.render(np.concatenate(pair))[0] for pair in pairs],
        depth_camera=rooms.CAMERA,
        fps=5.0,
        keypoints=detections.to_coco(np.stack(joints), np.ones((6, 17)), "COCO17"),
    )
    return path


def run(source, output, monkeypatch, people="one"):
    monkeypatch.setattr(estimator, "load_shipped", lambda modality: Network())
    given = {"modality": "points", "wanted": views.Views(page=False), "people": people}
    return predict.predict(None, None, source, output, **given)


def test_only_points_that_are_shown_are_examined(crossing, monkeypatch):
    monkeypatch.setattr(recorded_scene.sampled, "__defaults__", (5,))
    network, opened = Network(), recording.open_recording(crossing)
    _, seen = predict.predict_recording(network, opened, pictures=True)
    assert network.asked == [5] * len(X)
    assert [len(xyz) for xyz in seen.clouds.values()] == [5] * len(X)


def test_the_person_whom_keypoints_name_is_followed(
    crossing, tmp_path, monkeypatch, capsys
):
    assert run(crossing, tmp_path / "p.npz", monkeypatch) == 0
    out = capsys.readouterr().out
    assert "2D keypoints choose the person in 6 of 6 frames" in out
    pose = pose_file.read(tmp_path / "p.npz")
    seen = pose.is_valid()[:, 0]
    assert seen.sum() >= 4
    np.testing.assert_allclose(pose.xyz[seen, 0, 0], -X[seen], atol=0.2)


def test_all_people_have_a_file_each(crossing, tmp_path, monkeypatch, capsys):
    assert run(crossing, tmp_path / "p.npz", monkeypatch, people="all") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p-1.npz", "p-2.npz"]
    assert "2 people" in capsys.readouterr().out
    poses = [
        pose_file.read(tmp_path / name).xyz[:, 0] for name in ("p-1.npz", "p-2.npz")
    ]
    near, far = sorted(poses, key=lambda xyz: np.nanmedian(xyz[:, 2]))
    assert np.nanmax(near[:, 2]) < 2.6 < np.nanmin(far[:, 2])
    np.testing.assert_allclose(near[:, 0], X, atol=0.2)


def test_unreadable_keypoints_are_not_used_and_this_is_said(
    crossing, tmp_path, monkeypatch, capsys
):
    source = tmp_path / "copy"
    source.mkdir()
    for name in ("depth", "camera.json"):
        (source / name).symlink_to(crossing / name)
    (source / "keypoints.json").write_text('[{"image_id": 0}]')
    assert run(source, tmp_path / "p.npz", monkeypatch) == 0
    said = capsys.readouterr().err
    assert said.count("warning: keypoints are not used: ") == 1


@pytest.mark.parametrize("people", ["one", "all"])
def test_an_empty_room_shows_no_person(tmp_path, monkeypatch, people):
    empty = [rooms.render()[0]] * 2
    recording.write_recording(
        tmp_path / "r", depth=empty, depth_camera=rooms.CAMERA, fps=5.0
    )
    with pytest.raises(errors.BadInput, match="no frame shows a person"):
        run(tmp_path / "r", tmp_path / "p.npz", monkeypatch, people=people)
    assert not list(tmp_path.glob("*.npz"))


@pytest.mark.parametrize("part", ["network", "loop"])
def test_reading_stops_with_an_error(crossing, monkeypatch, part):
    def fail(*_):
        raise RuntimeError("no memory")

    if part == "network":
        monkeypatch.setattr(Network, "from_fields", fail)
    else:
        monkeypatch.setattr(predict.reliability, "reliable_joints", fail)
    opened = recording.open_recording(crossing)
    cloud = next(tracks.person_clouds(opened))
    with pytest.raises(RuntimeError) as kept:  # with all that it refers to
        predict.predict_recording(
            Network(),
            opened,
            pictures=False,
            clouds=itertools.repeat(cloud),
            use_keypoints=False,
        )
    assert "read_ahead" not in {thread.name for thread in threading.enumerate()}
    assert kept.tb is not None
