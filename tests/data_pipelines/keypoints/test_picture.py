import json

import numpy as np
import pytest

from data_pipelines.keypoints import detections, picture, settings
from unipose_jax import errors

CAMERA = picture.Picture(320, 240)


def write(path, uv, confidence=0.9):
    """A COCO file of one frame with 17 joints that span `uv` (low, high)."""
    values = np.full((17, 3), confidence)
    values[:, :2] = np.linspace(*np.asarray(uv, float), 17)
    entry = {"image_id": 0, "keypoints": values.ravel().tolist()}
    path.write_text(json.dumps([entry]))
    return path


@pytest.mark.parametrize("span", [[(0.1, 0.2), (0.9, 0.8)], [(-0.9, -1), (0.9, 1)]])
def test_normalised_keypoints_are_suspected(tmp_path, span):
    path = write(tmp_path / "a.json", span)
    with pytest.raises(errors.BadInput, match="are they normalised"):
        detections.read(path, CAMERA)


def test_normalised_keypoints_are_scaled_on_request(tmp_path):
    path = write(tmp_path / "a.json", [(0.1, 0.2), (0.9, 0.8)])
    found = detections.read(path, picture.Picture(320, 240, (1.0, 1.0)))
    np.testing.assert_allclose(found.by_frame[0][0, 0, :2], [32.5, 48.5], rtol=1e-5)
    np.testing.assert_allclose(found.by_frame[0][0, -1, :2], [288.5, 192.5], rtol=1e-5)


def test_keypoints_of_a_larger_picture_are_suspected(tmp_path):
    path = write(tmp_path / "a.json", [(400, 100), (800, 700)])
    with pytest.raises(errors.BadInput, match="outside the picture of 320x240"):
        detections.read(path, CAMERA)


@pytest.mark.parametrize(
    ("span", "confidence"),
    [
        ([(100, 20), (150, 235)], 0.9),
        ([(2, 2), (8, 20)], 0.05),
        ([(280, 9), (340, 80)], 0.9),
    ],
)
def test_keypoints_in_the_picture_are_accepted(tmp_path, span, confidence):
    path = write(tmp_path / "a.json", span, confidence)
    assert 0 in detections.read(path, CAMERA).by_frame


def test_unsure_keypoints_outside_the_picture_say_nothing(tmp_path):
    path = write(tmp_path / "a.json", [(100, 100), (110, 900)], 0.1)
    raw = json.loads(path.read_text())
    raw[0]["keypoints"][:9] = [100, 100, 0.9] * 3  # the only sure ones
    path.write_text(json.dumps(raw))
    assert 0 in detections.read(path, CAMERA).by_frame


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"sise": [1, 1]}, "unknown key 'sise'; did you mean 'size'"),
        ({"a": 1}, "unknown key 'a'; use size, first_frame"),
        ({"size": 3}, "must be .width, height."),
        ({"size": [0, 1]}, "must be .width, height."),
        ({"size": ["a", 1]}, "not made of numbers"),
        ({"first_frame": 0.5}, "an integer"),
        ({"first_frame": True}, "an integer"),
        ({"fps": 0}, "positive"),
        ({"fps": [1]}, "one number"),
        ({"fps": 3, "time": [0, 1]}, "both"),
        ({"time": [0, 0]}, "increasing"),
        ({"time": []}, "not made of numbers"),
        ({"start": None}, "not made of numbers"),
    ],
)
def test_a_wrong_entry_of_camera_json_is_named(raw, message):
    with pytest.raises(errors.BadInput, match=f"camera.json: 'keypoints'.*{message}"):
        settings.parse(raw, (320, 240), "camera.json")
