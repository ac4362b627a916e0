"""Frames of recordings in place of a camera, and which frames are dropped."""

import threading

import numpy as np
import pytest

from data_pipelines import devices
from data_pipelines.cameras import calibration
from data_pipelines.devices import device, recorded
from data_pipelines.readers.recordings import recorder, recording
from unipose_jax import errors

CAMERA = calibration.make_camera(8, 6, (10.0, 10.0, 4.0, 3.0))
COLOR = calibration.make_camera(16, 12, (20.0, 20.0, 8.0, 6.0))


def frame(number):
    depth = np.full((6, 8), 1.0 + number, np.float32)
    return device.Frame(number, number / 10, depth, None, 0.0)


@pytest.fixture
def path(tmp_path):
    """A recording of four frames, 0.1 s apart."""
    recording.write_recording(
        tmp_path / "r",
        depth=[frame(n).depth for n in range(4)],
        depth_camera=CAMERA,
        fps=10.0,
        color=[np.full((12, 16, 3), 50 * n, np.uint8) for n in range(4)],
        color_camera=COLOR,
    )
    return tmp_path / "r"


@pytest.fixture
def clock(monkeypatch):
    """A clock that only sleeping moves."""
    now = [100.0]

    def sleep(seconds):
        now[0] += seconds

    monkeypatch.setattr(recorded.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(recorded.time, "sleep", sleep)
    return now


def test_a_recording_gives_all_frames_without_waiting(path, clock):
    with devices.open_camera(f"recording:{path}", realtime=False) as camera:
        found = list(camera)
    assert [f.depth[0, 0] for f in found] == pytest.approx([1, 2, 3, 4])
    assert [f.color[0, 0, 0] for f in found] == [0, 50, 100, 150]
    assert camera.rate == pytest.approx(10)
    assert camera.to_recorded is None
    assert clock == [100.0]


def test_in_real_time_frames_come_at_their_times(path, clock):
    camera = devices.open_camera(f"recording:{path}")
    assert [f.arrived for f in camera] == pytest.approx([100, 100.1, 100.2, 100.3])


def test_in_real_time_a_late_reader_skips_frames(path, clock):
    camera = devices.open_camera(f"recording:{path}")
    assert camera.read().number == 0
    clock[0] += 0.25
    late = camera.read()
    assert (late.number, late.dropped) == (2, 1)
    clock[0] += 10.0
    assert camera.read().number == 3  # the last one is not dropped
    assert camera.read() is None


def test_the_newest_frame_is_given_and_those_before_it_are_counted():
    gate, ready = threading.Semaphore(0), threading.Semaphore(0)

    def frames():
        for number in range(5):
            if number in (1, 4):
                ready.release()
                gate.acquire()
            yield frame(number)

    seen = []
    stream = devices.newest(frames(), each=lambda f: seen.append(f.number))
    assert next(stream).number == 0
    ready.acquire()
    gate.release()  # 1, 2 and 3 follow
    ready.acquire()
    last = next(stream)
    assert (last.number, last.dropped) == (3, 2)
    gate.release()
    assert [f.number for f in stream] == [4]
    assert seen == [0, 1, 2, 3, 4]


def test_an_error_comes_after_the_last_frame():
    def frames():
        yield frame(0)
        raise errors.BadInput("lost")

    stream = devices.newest(frames())
    assert next(stream).number == 0
    with pytest.raises(errors.BadInput, match="lost"):
        next(stream)


def test_leaving_the_loop_ends_the_thread():
    def frames():
        yield from map(frame, range(10**9))

    before = threading.active_count()
    stream = devices.newest(frames())
    next(stream)
    stream.close()
    assert threading.active_count() == before


def test_numbers_and_times_follow_the_devices_clock():
    clock = device.Clock(rate=10.0)
    # At 10 Hz, with a lost frame and, last, a clock that was set anew.
    stamps = [5.0, 5.1, 5.3, 900.0]
    found = [clock(stamp, 70 + 0.1 * i) for i, stamp in enumerate(stamps)]
    assert [number for number, _ in found] == [0, 1, 3, 4]
    np.testing.assert_allclose([t for _, t in found], [0, 0.1, 0.3, 0.4])
    without = device.Clock(rate=10.0)
    assert [without(None, t)[0] for t in (3.0, 3.1, 3.3)] == [0, 1, 3]


def make_recorder(path):
    return recorder.Recorder(
        path,
        depth_camera=CAMERA,
        depth_unit=0.001,
        rate=10.0,
        color_camera=COLOR,
        color_from_depth=np.eye(4),
    )


def test_what_is_recorded_is_read_again(tmp_path):
    made = make_recorder(tmp_path / "made")
    for number, time in ((0, 5.0), (1, 5.11), (3, 5.3)):
        depth = np.full((6, 8), 1.234 + number, np.float32)
        depth[0, 0] = 0.0
        made.add(number, time, depth, np.full((12, 16, 3), 90, np.uint8))
    # Killed here, it can be read; times come from the numbers.
    killed = recording.open_recording(tmp_path / "made")
    np.testing.assert_allclose(killed.time, [0, 0.1, 0.3])
    made.close()
    opened = recording.open_recording(tmp_path / "made")
    assert opened.frames == (0, 1, 3)
    np.testing.assert_allclose(opened.time, [0, 0.11, 0.3], atol=1e-9)
    np.testing.assert_allclose(opened.depth(2)[1], 4.234, atol=1e-6)
    assert opened.depth(2)[0, 0] == 0
    np.testing.assert_allclose(opened.color(0), 90, atol=3)  # JPEG
    assert not [p for p in (tmp_path / "made").rglob("*") if p.name.startswith(".")]


def test_a_recording_is_never_overwritten_and_starts_with_its_first_frame(path):
    with pytest.raises(errors.BadInput, match="exists; choose a new path"):
        make_recorder(path)
    made = make_recorder(path.with_name("new"))
    made.close()
    assert not path.with_name("new").exists()
    with pytest.raises(errors.BadInput, match="is 3x2, but camera.json says 8x6"):
        made.add(0, 0.0, np.ones((2, 3)))
