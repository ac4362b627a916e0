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


@functools.lru_cache(maxsize=256)  # a recording may be opened more than once
def warn(message: str) -> None:
    """Prints one line about doubtful input to stderr, each message once."""
    print(f"warning: {message}", file=sys.stderr)


@contextlib.contextmanager
def exit_on_bad_input() -> Iterator[None]:
    """Context manager: on `BadInput`, prints one line and exits with status 2."""
    try:
        yield
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
