"""Batches on the devices, ahead of the steps that use them."""

import collections
from collections.abc import Iterable
from typing import Any

from unipose_jax.train import parallel

AHEAD = 2
"""Batches on the devices at most: one in use, and the next."""


class Prefetch:
    """Iterator over the batches of a loader, sent to the devices one step ahead.

    Its position is that of the batches that were used: what is only on the devices is
    drawn again by a run that resumes.
    """

    def __init__(self, batches, fields: Iterable[str], *, count: int):
        """Draws nothing yet.

        Args:
            batches: of this host; an iterator with `get_state()`.
            fields: of a batch that go to the devices.
            count: of the batches to draw.
        """
        self._batches, self._fields, self._left = batches, tuple(fields), count
        self._sent: collections.deque[tuple[dict[str, Any], dict]] = collections.deque()
        self._position = batches.get_state()

    def __iter__(self) -> "Prefetch":
        return self

    def __next__(self) -> dict[str, Any]:
        """The next batch, split over local devices."""
        while self._left and len(self._sent) < AHEAD:
            self._send()
        if not self._sent:
            raise StopIteration
        batch, self._position = self._sent.popleft()
        return batch

    def get_state(self) -> dict[str, Any]:
        """The position after the last batch that was used."""
        return self._position

    def _send(self) -> None:
        """Draws a batch and starts its transfer."""
        batch = next(self._batches)
        used = {name: batch[name] for name in self._fields}
        self._sent.append((parallel.put(used), self._batches.get_state()))
        self._left -= 1
