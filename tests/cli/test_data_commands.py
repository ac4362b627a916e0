"""The modes of run.py that make and look at data."""

import numpy as np
import pytest

from configs import recording as recording_config
from configs import unipose
from data_pipelines.cameras import calibration
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from tests.data_pipelines.originals import mocap as mocap_files
from tests.data_pipelines.readers.recordings import test_aligned_rgbd
from tests.test_run import run
from unipose_jax import errors
from unipose_jax.synthesis.motion import retargeting

source = test_aligned_rgbd.source  # a fixture: a recording of Open3D's


@pytest.fixture
def person(tmp_path):
    """A recording of two grey frames with keypoints."""
    camera = calibration.make_camera(64, 48, (60.0, 60.0, 32.0, 24.0))
    uv = np.random.default_rng(0).uniform(10, 38, (2, 17, 2))
    recording.write_recording(
        tmp_path / "person",
        depth=[np.full((48, 64), 2.0)] * 2,
        depth_camera=camera,
        fps=30.0,
        keypoints=detections.to_coco(uv, np.ones((2, 17)), "COCO17"),
    )
    return tmp_path / "person"


def test_convert_makes_a_recording(source, tmp_path, capsys):
    output = tmp_path / "r"
    assert run("convert", input=source, output=output) == 0
    assert len(recording.open_recording(output)) == 3
    assert "3 frames" in capsys.readouterr().out


def test_keypoints_are_drawn(person):
    assert run("keypoints", input=person) == 0
    assert (person / "keypoints.png").stat().st_size > 1000


def test_keypoints_are_not_overwritten(person, tmp_path):
    before = (person / "keypoints.json").read_bytes()
    with pytest.raises(errors.BadInput, match="has keypoints already"):
        run("keypoints", input=person, model=tmp_path / "model.onnx")
    assert (person / "keypoints.json").read_bytes() == before


def test_without_keypoints_there_is_nothing_to_draw(person):
    (person / "keypoints.json").unlink()
    with pytest.raises(errors.BadInput, match="no 2D keypoints to draw"):
        run("keypoints", input=person)


def test_motion_is_prepared_for_the_renderer(tmp_path, capsys):
    (tmp_path / "bvh").mkdir()
    mocap_files.write(tmp_path / "bvh" / "walk.bvh")
    config = unipose.get_config("smoke")
    config.data.name = "mocap"
    places = {"source": tmp_path / "bvh", "data_dir": tmp_path / "d"}
    assert run("prepare", config, **places) == 0
    clips = retargeting.load_clips(tmp_path / "d" / "mocap.npz")
    assert list(clips) == ["walk"]
    assert "config.data.motion" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({}, "--source is missing"),
        ({"source": "nowhere", "data_dir": "d"}, "no folder of original files"),
        ({"source": "."}, "--data_dir is missing"),
    ],
)
def test_prepare_says_what_it_lacks(places, message):
    with pytest.raises(errors.BadInput, match=message):
        run("prepare", recording_config.get_config("smoke"), **places)
