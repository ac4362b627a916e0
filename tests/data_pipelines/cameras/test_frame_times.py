import numpy as np
import pytest

from data_pipelines.cameras import frame_times
from unipose_jax import errors

FIFTEEN = np.arange(6) / 15


def read(time=None, fps=None, frames=None, unit=None):
    frames = range(len(time)) if frames is None else frames
    time = None if time is None else np.asarray(time, np.float64)
    return frame_times.frame_times(time, fps, tuple(frames), "here", unit=unit)


def test_frame_times_keep_gaps():
    np.testing.assert_allclose(read(fps=30, frames=(3, 4, 9)), [0, 1 / 30, 6 / 30])


def test_frame_times_from_a_list_start_at_zero():
    np.testing.assert_allclose(read([5.0, 5.5]), [0, 0.5])


def test_one_frame_needs_no_frame_rate():
    np.testing.assert_array_equal(read(frames=(5,)), [0])


@pytest.mark.parametrize("unit", frame_times.UNITS)
@pytest.mark.parametrize("start", [0.0, 1.7e9])
def test_a_unit_is_read(unit, start):
    time = (FIFTEEN + start) / frame_times.UNITS[unit]
    np.testing.assert_allclose(read(time, unit=unit), FIFTEEN, atol=1e-6)


@pytest.mark.parametrize(
    ("factor", "named"),
    [(1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds")],
)
@pytest.mark.parametrize("rate", [5, 15, 30, 60])
def test_another_unit_is_named(factor, named, rate):
    with pytest.raises(errors.BadInput, match=rf"seems to be in {named} .* {rate} fr"):
        read(np.arange(6) / rate * factor)


def test_a_wrong_unit_is_refused():
    with pytest.raises(errors.BadInput, match="in milliseconds means .* in seconds"):
        read(FIFTEEN, unit="ms")


@pytest.mark.parametrize("rate", [0.2, 1, 2, 5, 15, 30, 60, 90, 240])
def test_rates_of_cameras_are_seconds(rate):
    np.testing.assert_allclose(read(np.arange(6) / rate)[1], 1 / rate)


def test_stills_and_pauses_are_seconds(capsys):
    time = [82.8, 1028.9, 1038.9, 1045.9, 1051.9, 1058.9, 1064.9]  # of a real recording
    assert read(time)[-1] == pytest.approx(982.1)
    assert not capsys.readouterr().err
    assert read([0, 60, 120, 180], unit="s")[-1] == 180


@pytest.mark.parametrize(
    ("time", "message"),
    [(np.arange(6), "frame numbers"), (np.arange(6) * 8.333, "in milliseconds, add")],
)
def test_doubtful_times_are_said(capsys, time, message):
    errors.warn.cache_clear()
    read(time)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: here: ")
    assert message in line
    read(time, unit="s")
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": (0, 1)}, "neither 'fps' nor 'time'"),
        ({"time": [0.0], "frames": (0, 1)}, "'time' has 1 entries for 2 frames"),
        ({"time": [0.0, 0.0]}, "'time' does not increase: 0 follows 0 at frame 1"),
        ({"time": [0.0, 0.2, 0.1]}, "does not increase: 0.1 follows 0.2 at frame 2"),
    ],
)
def test_wrong_times_are_bad_input(changes, message):
    with pytest.raises(errors.BadInput, match=message):
        read(**changes)
