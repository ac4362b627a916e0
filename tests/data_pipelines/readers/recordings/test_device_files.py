"""Files of SDKs are read with their own times and cameras."""

import cv2
import numpy as np

from data_pipelines.readers.recordings import device_files


class OniCapture:
    """Playback of four depth images of 320 x 240, as OpenCV gives them."""

    step = 40_000  # microseconds

    def __init__(self, path, backend):
        assert backend == cv2.CAP_OPENNI2
        self.frame = -1

    def isOpened(self):
        return True

    def grab(self):
        self.frame += 1
        return self.frame < 4

    def retrieve(self, flag):
        assert flag == cv2.CAP_OPENNI_DEPTH_MAP
        return True, np.full((240, 320), 1000 + self.frame, np.uint16)

    def get(self, name):
        if name == cv2.CAP_OPENNI_DEPTH_GENERATOR_FOCAL_LENGTH:
            return 575.0  # of 640 x 480, at every size
        stamp = name == cv2.CAP_OPENNI_DEPTH_GENERATOR + cv2.CAP_PROP_POS_MSEC
        return float(self.step * self.frame) if stamp else 0.0

    def release(self):
        pass


def test_openni_recordings_have_their_own_times_and_focal_length(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", OniCapture)
    source = device_files.read_oni(tmp_path / "a.oni")
    np.testing.assert_allclose(source.time, [0, 0.04, 0.08, 0.12])
    assert source.depth_camera.intrinsics[0] == 287.5
    assert [depth[0, 0] for depth, _ in source.frames] == [1000, 1001, 1002, 1003]


def test_openni_recordings_without_times_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cv2, "VideoCapture", OniCapture)
    monkeypatch.setattr(OniCapture, "step", 0)
    source = device_files.read_oni(tmp_path / "a.oni")
    assert (source.time, source.fps) == (None, 30.0)
    assert "no time stamps; 30 frames per second are" in capsys.readouterr().err
