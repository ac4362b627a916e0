"""Exceptions for invalid user input."""

import contextlib
import functools
import sys
from collections.abc import Iterator


class BadInput(ValueError):
    """A file, folder or value from the user is invalid.

    The message is one line: what is wrong, where, and what was expected. `run.py`
    prints it without a traceback and exits with status 2.
    """


class MissingCrops(BadInput):
    """The data lack the crops that a network needs."""


@functools.cache  # the same file may be read several times
def warn(line: str) -> None:
    """Prints one line about doubtful input to standard error, once in a process."""
    print(f"warning: {line}", file=sys.stderr)


@contextlib.contextmanager
def exit_on_bad_input() -> Iterator[None]:
    """Context manager: on `BadInput`, prints one line and exits with status 2."""
    try:
        yield
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
