"""The newest frame of a camera: a thread reads all, and late ones are dropped."""

import threading
from collections.abc import Callable, Iterable, Iterator

from data_pipelines.devices import device

_POLL = 0.2  # seconds; waiting in pieces lets Ctrl-C through on every system
_JOIN = 10.0  # seconds for the last read, longer than any device waits for a frame


def newest(
    frames: Iterable[device.Frame],
    *,
    each: Callable[[device.Frame], None] | None = None,
) -> Iterator[device.Frame]:
    """Yields the newest frame each time; frames that came meanwhile are dropped.

    The first frame is read when the first one is asked for.

    Args:
        frames: such as a `Device`; read in a thread of its own, without pause.
        each: called in that thread with every frame, also with those that are dropped.

    Yields:
        Frames, with `dropped`: how many were left out since the one before.

    Raises:
        errors.BadInput: what `frames` and `each` raise, after the last frame before it.
    """
    slot = _Slot()
    thread = threading.Thread(target=_read, args=(frames, each, slot), daemon=True)
    thread.start()
    try:
        while (frame := slot.take()) is not None:
            yield frame
    finally:
        slot.stop()
        thread.join(_JOIN)


class _Slot:
    """Holds one frame between two threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: device.Frame | None = None
        self._dropped = 0
        self._ended = False
        self._error: BaseException | None = None
        self.stopped = False

    def put(self, frame: device.Frame) -> None:
        """Replaces the frame that waits to be taken."""
        with self._changed:
            self._dropped += frame.dropped + (self._frame is not None)
            self._frame = frame
            self._changed.notify()

    def end(self, error: BaseException | None = None) -> None:
        """No frame follows."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def stop(self) -> None:
        """Tells the reader that no further frame will be taken."""
        with self._changed:
            self.stopped = True

    def take(self) -> device.Frame | None:
        """Waits for a frame; None after the last one."""
        with self._changed:
            while self._frame is None and not self._ended:
                self._changed.wait(_POLL)
            frame, self._frame = self._frame, None
            if frame is not None:
                dropped, self._dropped = self._dropped, 0
                return frame._replace(dropped=dropped)
            if self._error is not None:
                raise self._error
            return None


def _read(
    frames: Iterable[device.Frame],
    each: Callable[[device.Frame], None] | None,
    slot: _Slot,
) -> None:
    """Reads frames until no further one will be taken."""
    try:
        for frame in frames:
            if slot.stopped:
                break
            if each is not None:
                each(frame)
            slot.put(frame)
    except BaseException as error:  # raised where the frames are taken
        slot.end(error)
    else:
        slot.end()
