"""The exceptions that mean "the user's input is wrong"."""

import contextlib
import sys
from collections.abc import Iterator


class BadInput(ValueError):
    """A file, folder or value from the user that cannot be used.

    The message is one line: what is wrong, where, and what was expected. `run.py`
    prints it without a traceback and exits with status 2.
    """


class MissingCrops(BadInput):
    """Data that hold no crops, or not those that a network looks at."""


@contextlib.contextmanager
def exit_on_bad_input() -> Iterator[None]:
    """Ends a script with one line and status 2 where its input is bad."""
    try:
        yield
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
