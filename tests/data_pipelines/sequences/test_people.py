"""People in frames that are read ahead by a thread."""

import threading

import pytest

from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import people
from unipose_jax import errors


@pytest.fixture
def damaged(make_recording, room):
    """A recording without masks, of 30 frames; the second cannot be read."""
    depth, _ = room.render(room.person(0.0, 2.5))
    path = make_recording(depth=[depth] * 30, mask=None)
    sorted((path / "depth").iterdir())[1].write_bytes(b"no image")
    return recording.open_recording(path)


def test_frames_that_cannot_be_read_are_told_and_left_out(damaged):
    told = []
    found = people.find(damaged, range(4), on_error=told.append)
    (error,) = told
    assert "000001.png" in str(error)
    for index in (0, 2, 3):
        assert found.mask(index, damaged.depth(index)).any()


def test_reading_stops_with_an_error(damaged):
    def fail(error):
        raise error

    with pytest.raises(errors.BadInput) as kept:  # with all that it refers to
        people.find(damaged, range(30), on_error=fail, progress=True)
    assert "read_ahead" not in {thread.name for thread in threading.enumerate()}
    assert kept.tb is not None
