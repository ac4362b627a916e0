"""Iteration in a thread of its own, ahead of whoever uses the items."""

import functools
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import NoReturn, TypeVar

Item = TypeVar("Item")

_DEPTH = 4  # items
_PATIENCE = 0.1  # seconds between checks for a user who has stopped


def read_ahead(
    items: Iterable[Item], depth: int = _DEPTH
) -> Generator[Item, None, None]:
    """Yields the items in order while a thread makes the next ones.

    Reading and segmenting depth frames (OpenCV, NumPy) and predicting poses (XLA) use
    different cores, since they release Python's lock.

    Args:
        items: an error that it raises is raised here, after the items before it.
        depth: number of items that are made ahead.

    Returns:
        A generator. Its end and its `close` end the thread, Ctrl-C after the item that
        is being made.
    """
    made: queue.Queue[Callable[[], Item] | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: Callable[[], Item] | None) -> None:
        while not stopped.is_set():
            try:
                return made.put(entry, timeout=_PATIENCE)
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                if stopped.is_set():
                    return
                put(functools.partial(_return, item))
            put(None)
        except BaseException as error:  # for the thread of the user
            put(functools.partial(_raise, error))

    thread = threading.Thread(target=make, name="read_ahead", daemon=True)
    thread.start()
    interrupted = False
    try:
        while (entry := made.get()) is not None:
            yield entry()
    except KeyboardInterrupt:
        interrupted = True  # an item may take minutes
        raise
    finally:
        stopped.set()
        if not interrupted:
            thread.join()


def _return(item: Item) -> Item:
    return item


def _raise(error: BaseException) -> NoReturn:
    raise error
