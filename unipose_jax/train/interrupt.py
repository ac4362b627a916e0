"""Handling of the signals SIGTERM and SIGINT during training."""

import os
import signal
from types import FrameType
from typing import Any


class Interrupt:
    """While open, SIGTERM and SIGINT set `requested` instead of killing the process.

    A second SIGINT raises KeyboardInterrupt. Outside the main thread Python allows no
    signal handlers; signals then have their usual effect.
    """

    def __init__(self) -> None:
        """Creates the object; `with` installs the handlers."""
        self.requested = False
        self.signal_name = ""
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Interrupt":
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._previous[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread
                break
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
        self.signal_name = signal.Signals(number).name
        again = "; Ctrl-C again ends it at once" * (number == signal.SIGINT)
        line = f"\n{self.signal_name}: the run is saved after this step{again}\n"
        os.write(2, line.encode())  # a handler may not use buffered streams
