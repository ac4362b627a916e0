"""One line for a wrong flag, a wrong config key or an error in a config file."""

import itertools
import pathlib
import sysconfig
import traceback

from absl import flags

_LIBRARIES = tuple(
    pathlib.Path(sysconfig.get_path(name))
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_HERE = pathlib.Path(__file__).resolve().parent


def describe(error: Exception, argv: list[str]) -> str:
    """One line for an error that parsing the command line raised.

    Raises:
        Exception: `error` itself, where it is not the user's.
    """
    given = [a.partition("=")[2] for a in argv if a.lstrip("-").startswith("config=")]
    given += [b for a, b in itertools.pairwise(argv) if a in ("-config", "--config")]
    for path in given:
        if text := failure(error, path):
            return text
    if isinstance(error, AttributeError | KeyError):
        return f"no config key {_without_quotes(str(error))}"
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    if not isinstance(error, flags.Error | TypeError | ValueError | OSError):
        raise error
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].removeprefix("ValueError: ")


def failure(error: BaseException, config_file: str) -> str | None:
    """Describes an error that was raised while a config file ran.

    Args:
        error: as the flags library raised it; its causes are searched, too.
        config_file: value of `--config`, with or without ":variant".

    Returns:
        "FILE:LINE: TYPE: MESSAGE" in one line, where FILE:LINE is the last line of the
        user's code that ran; None if the config file did not run.
    """
    path = pathlib.Path(config_file.partition(":")[0]).resolve()
    current: BaseException | None = error
    while current is not None:
        frames = traceback.extract_tb(current.__traceback__)
        own = [pathlib.Path(frame.filename).resolve() == path for frame in frames]
        if any(own):
            inside = list(frames)[own.index(True) :]
            place = [frame for frame in inside if not _is_library(frame.filename)][-1]
            return f"{_shown(place.filename)}:{place.lineno}: {_message(current)}"
        current = current.__cause__ or current.__context__
    return None


def _message(error: BaseException) -> str:
    """Type and first sentence of an error; a ValueError's text explains itself."""
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    words = " ".join(str(text).split())
    if "\\n" in words:  # ml_collections quotes the message of another error
        words = _without_quotes(words)
    if isinstance(error, ValueError) and words:
        return words
    return f"{type(error).__name__}: {words}".removesuffix(": ")


def _without_quotes(text: str) -> str:
    text = text.replace("\\n", " ")
    return text.translate(dict.fromkeys(map(ord, "\\\"'")))


def _shown(filename: str) -> str:
    """A path relative to the current folder where it lies inside."""
    path = pathlib.Path(filename).resolve()
    folder = pathlib.Path.cwd()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _is_library(filename: str) -> bool:
    if filename.startswith("<"):
        return True
    path = pathlib.Path(filename).resolve()
    return any(path.is_relative_to(folder) for folder in (*_LIBRARIES, _HERE))
