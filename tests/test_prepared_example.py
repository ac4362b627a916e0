"""`examples/prepared_data.py`: clips of a prepared data set, and batches of tensors."""

import numpy as np
import pytest

from configs import recording as recording_config
from data_pipelines.cameras import calibration
from data_pipelines.ground import schema
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from examples import prepared_data
from tests.test_run import run


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """A prepared data set of a board in place of a person, three clips a split."""
    mask = np.zeros((48, 64), bool)
    mask[8:40, 20:44] = True
    uv = np.random.default_rng(0).uniform((22, 10), (42, 38), (5, 17, 2))
    for split in ("train", "validation", "test"):
        recording.write_recording(
            tmp_path / "recordings" / split / "person",
            depth=[np.where(mask, 2.0, 3.0)] * 5,
            depth_camera=calibration.make_camera(64, 48, (60.0, 60.0, 32.0, 24.0)),
            mask=[mask] * 5,
            fps=15.0,
            keypoints=detections.to_coco(uv, np.ones((5, 17)), "COCO17"),
        )
    config = recording_config.get_config("smoke")
    places = {"source": tmp_path / "recordings", "data_dir": tmp_path / "d"}
    assert run("prepare", config, **places) == 0
    smoke = recording_config.get_config
    monkeypatch.setattr(recording_config, "get_config", lambda: smoke("smoke"))
    return tmp_path / "d"


def test_clips_of_a_prepared_data_set_are_arrays(prepared, capsys):
    prepared_data.main(str(prepared), "recording")
    assert "points: float32 (" in capsys.readouterr().out
    clips = prepared_data.open_clips(str(prepared), "recording", "test")
    schema.validate(clips[0])
    distance = clips[0]["points"][clips[0]["points_valid"]][:, 2]
    np.testing.assert_allclose(distance, 2.0, atol=1e-3)  # depth counts of 1 mm


def test_batches_are_tensors(prepared):
    torch = pytest.importorskip("torch")
    clips = prepared_data.open_clips(str(prepared), "recording")
    batch = next(iter(prepared_data.batches(clips, 2)))
    assert batch["points"].shape == (2, *clips[0]["points"].shape)
    assert batch["points"].dtype == torch.float32
