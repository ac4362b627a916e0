import json

import cv2
import numpy as np
import pytest

from data_pipelines.readers.recordings import recording
from unipose_jax import errors


@pytest.fixture
def holed(make_recording):
    """A recording of noisy depth with a count in a corner of every frame."""

    def holed(value, corner=(40, 40), **keys):
        options = {"mask": None, "color": None, "color_camera": None, "joints": None}
        path = make_recording(f"recording_{value}", **options)
        rng = np.random.default_rng(0)
        for file in sorted((path / "depth").iterdir()):
            counts = rng.normal(3000, 300, (120, 160)).astype(np.uint16)
            counts[: corner[0], : corner[1]] = value
            cv2.imwrite(str(file), counts)
        content = json.loads((path / "camera.json").read_text()) | keys
        (path / "camera.json").write_text(json.dumps(content))
        return path

    return holed


@pytest.mark.parametrize(
    ("value", "keys"),
    [(0, {}), (65535, {}), (8191, {"invalid": 8191}), (2900, {"invalid": [1, 2900]})],
)
def test_counts_without_depth_are_zero(holed, capsys, value, keys):
    depth = recording.open_recording(holed(value, **keys)).depth(0)
    assert not depth[:40, :40].any()
    # Elsewhere, one count in 800 may be the same as the invalid one.
    assert (depth[40:] > 0).mean() > 0.99
    assert not capsys.readouterr().err


@pytest.mark.parametrize("value", [10000, 8191, 65528, 1])
def test_a_count_far_from_the_others_is_no_depth_and_is_said(holed, capsys, value):
    opened = recording.open_recording(holed(value))
    assert opened.invalid == (value,)
    assert not opened.depth(0)[:40, :40].any()
    (line,) = capsys.readouterr().err.splitlines()
    assert f'confirm with "invalid": [{value}]' in line


def test_a_suspicious_count_can_be_kept(holed, capsys):
    opened = recording.open_recording(holed(10000, invalid=[]))
    np.testing.assert_allclose(opened.depth(0)[0, 0], 10.0)
    assert not capsys.readouterr().err


def test_a_count_that_fills_much_of_all_frames_is_said(holed, capsys):
    opened = recording.open_recording(holed(3300, corner=(120, 60)))
    assert opened.depth(0)[0, 0] > 3
    (line,) = capsys.readouterr().err.splitlines()
    assert 'if it means "no depth", add "invalid": [3300]' in line


def test_a_reserved_count_inside_the_range_of_depth_is_said(holed, capsys):
    opened = recording.open_recording(holed(2047, corner=(15, 15)))
    assert "the count 2047 fills 1." in capsys.readouterr().err
    assert opened.depth(0)[:15, :15].any()  # a suspicion: it is kept
    recording.open_recording(holed(2050, corner=(15, 15)))
    assert not capsys.readouterr().err


def test_depth_of_only_invalid_counts_is_empty(holed):
    with pytest.raises(errors.BadInput, match="all 3 frames are empty"):
        recording.open_recording(holed(65535, corner=(120, 160)))


def test_flat_surfaces_of_drawn_depth_are_kept(make_recording, capsys):
    depth = np.full((120, 160), 3.0, np.float32)
    depth[40:80, 60:100] = 1.5
    opened = recording.open_recording(make_recording(depth=[depth] * 3, joints=None))
    np.testing.assert_allclose(opened.depth(1), depth)
    assert not capsys.readouterr().err
