"""The exceptions that mean "the user's input is wrong"."""


class BadInput(ValueError):
    """A file, folder or value from the user that cannot be used.

    The message is one line: what is wrong, where, and what was expected. `run.py`
    prints it without a traceback and exits with status 2.
    """


class NoCrops(BadInput):
    """Data that hold no crops, or not those that a network looks at."""
