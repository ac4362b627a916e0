"""`--mode=keypoints` with a tiny network of random weights."""

import json

import numpy as np
import pytest

from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import keypoint_following
from tests.data_pipelines import conftest
from tests.detector import tiny_model
from tests.test_run import run
from unipose_jax import errors
from unipose_jax.cli import keypoints
from unipose_jax.detector import movenet

make_recording = conftest.make_recording  # a fixture


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The files of the tiny network."""
    return tiny_model.write(tmp_path_factory.mktemp("tiny") / "net.json")


@pytest.fixture
def steady(monkeypatch):
    """The network finds everybody in the middle of the crop; counts its calls."""
    calls = []

    def detect(self, images):
        calls.append(len(images))
        place = np.linspace(0.25, 0.75, 17)[:, None] * self.size
        person = np.concatenate([place, place, np.full((17, 1), 0.75)], axis=1)
        return np.repeat(person[None].astype(np.float32), len(images), axis=0)

    monkeypatch.setattr(movenet.MoveNet, "__call__", detect)
    return calls


def test_keypoints_are_detected_written_and_drawn(make_recording, tiny, steady, capsys):
    path = make_recording()
    assert run("keypoints", input=path, model=tiny) == 0
    printed = capsys.readouterr().out
    assert "3 frames with keypoints, 0 without, mean confidence 0.75" in printed
    assert "outside the person's depth mask" in printed
    found = recording.open_recording(path).keypoint_detections()
    assert sorted(found.by_frame) == [0, 1, 2]
    assert found.joints.name == "COCO17"
    assert (path / "keypoints.png").stat().st_size > 1000
    assert not (path / keypoints.PARTIAL).exists()
    before, calls = (path / "keypoints.json").read_bytes(), len(steady)
    assert run("keypoints", input=path) == 0  # finished: draws only
    assert "keypoints.json is there: nothing to detect" in capsys.readouterr().out
    with pytest.raises(errors.BadInput, match=r"remove .*keypoints.json"):
        run("keypoints", input=path, model=tiny)
    with pytest.raises(errors.BadInput, match=r"remove .*keypoints.json"):
        keypoints.detect(path, model=tiny)
    assert (path / "keypoints.json").read_bytes() == before
    assert len(steady) == calls


def test_an_interrupted_detection_goes_on(
    make_recording, tiny, steady, monkeypatch, capsys
):
    monkeypatch.setattr(keypoint_following, "BLOCK", 2)
    path, other = make_recording(frames=5), make_recording("other", frames=5)
    straight = keypoints.detect(other, model=tiny)
    follow = keypoint_following.follow

    def stop(*arguments, **options):
        yield next(follow(*arguments, **options))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keypoint_following, "follow", stop)
        with pytest.raises(KeyboardInterrupt):
            keypoints.detect(path, model=tiny)
    assert not (path / "keypoints.json").exists()
    assert (path / keypoints.PARTIAL).exists()
    capsys.readouterr()
    assert keypoints.detect(path, model=tiny) == straight
    assert "going on after 2 of 5 frames" in capsys.readouterr().out
    assert json.loads((path / "keypoints.json").read_text()) == straight


@pytest.mark.parametrize(
    "mount", [{"up": "bottom"}, {"up": "left"}, {"mirrored": True}, {}]
)
def test_keypoints_of_a_turned_camera_are_read_as_they_were_found(
    make_recording, tiny, steady, mount
):
    path = make_recording(frames=1)
    camera = json.loads((path / "camera.json").read_text())
    (path / "camera.json").write_text(json.dumps(camera | mount))
    content = keypoints.detect(path, model=tiny)
    # The network found one joint after the other to the right and below.
    (person,) = recording.open_recording(path).keypoint_detections().by_frame[0]
    assert (np.diff(person[:, :2], axis=0) > 0).all()
    written = np.reshape(content[0]["keypoints"], (17, 3))[:, :2] + 0.5
    assert np.allclose(written, person[:, :2], atol=1e-3) == (not mount)


def test_what_is_needed_is_one_line(make_recording, tiny, tmp_path):
    path = make_recording(color=None, color_camera=None)
    with pytest.raises(errors.BadInput, match="no colour images to find them in"):
        run("keypoints", input=path, model=tiny)
    path = make_recording("blank", color=None)
    with pytest.raises(errors.BadInput, match="needs color/000000.png"):
        run("keypoints", input=path, model=tiny)
    path = make_recording("other")
    camera = json.loads((path / "camera.json").read_text())
    camera["keypoints"] = {"first_frame": 1}
    (path / "camera.json").write_text(json.dumps(camera))
    with pytest.raises(errors.BadInput, match="describes keypoints of another video"):
        run("keypoints", input=path, model=tiny)
    with pytest.raises(errors.BadInput, match="no model at"):
        run("keypoints", input=make_recording("c"), model=tmp_path / "none")
    assert not list(tmp_path.glob("*/keypoints*"))


def test_a_recording_without_a_person_gets_no_file(
    make_recording, tiny, steady, monkeypatch
):
    monkeypatch.setattr(
        movenet.MoveNet, "__call__", lambda self, x: np.zeros((len(x), 17, 3))
    )
    path = make_recording()
    with pytest.raises(errors.BadInput, match="MoveNet saw no person in 3 frames"):
        run("keypoints", input=path, model=tiny)
    assert not (path / "keypoints.json").exists()
