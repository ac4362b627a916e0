"""Finds config files; one line for a wrong flag, a wrong key or an error in a file."""

import pathlib
import sysconfig
import traceback
from collections.abc import Sequence

from absl import flags

from unipose_jax import errors
from unipose_jax.cli import config_keys

_LIBRARIES = tuple(
    pathlib.Path(sysconfig.get_path(name))
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_HERE = pathlib.Path(__file__).resolve().parent
SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "configs"
"""Folder of the configs of the repository or of the installed package."""


def resolve(argv: Sequence[str]) -> list[str]:
    """A command line whose `--config` is a file that exists.

    `configs/NAME.py`, `NAME.py` and `NAME` are also looked for in `SHIPPED`, so that
    the same command works in any folder.

    Raises:
        errors.BadInput: there is no such file.
    """
    found = list(argv)
    for index, value, place in _given(argv):
        found[index] = argv[index][:place] + find(value)
    return found


def find(value: str) -> str:
    """The value of `--config` with the path of a file that exists.

    Args:
        value: path with or without ":variant".

    Raises:
        errors.BadInput: there is no such file; says where it was looked for.
    """
    name, colon, variant = value.partition(":")
    path = pathlib.Path(name).expanduser()
    if path.is_file():
        return f"{path}{colon}{variant}"
    shipped = SHIPPED / f"{path.name.removesuffix('.py')}.py"
    if path.parent in (pathlib.Path(), pathlib.Path("configs")) and shipped.is_file():
        return f"{shipped}{colon}{variant}"
    names = sorted(other.stem for other in SHIPPED.glob("[!_]*.py"))
    near = config_keys.nearest(path.name.removesuffix(".py"), names)
    hint = f"did you mean configs/{near}.py? " if near else ""
    raise errors.BadInput(
        f"no config file {name}; looked for {path.absolute()} and in {SHIPPED}; {hint}"
        f"there are {', '.join(names)}"
    )


def _given(argv: Sequence[str]) -> list[tuple[int, str, int]]:
    """Each value of `--config`: index in `argv`, value, and where it begins there."""
    found = []
    for index, argument in enumerate(argv[1:], 1):
        name, equals, value = argument.partition("=")
        if equals and name in ("-config", "--config"):
            found.append((index, value, len(name) + 1))
        elif argv[index - 1] in ("-config", "--config"):
            found.append((index, argument, 0))
    return found


def describe(error: Exception, argv: Sequence[str]) -> str:
    """One line for an error that parsing the command line raised.

    Raises:
        Exception: `error` itself, where it is not the user's.
    """
    given = [value for _, value, _ in _given(argv)]
    for path in given:
        if text := failure(error, path):
            return text
    if isinstance(error, AttributeError | KeyError | TypeError):
        if given and (text := config_keys.unknown(given[-1], argv)):
            return text
    if isinstance(error, AttributeError | KeyError):
        return f"no config key {_without_quotes(str(error))}"
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    if isinstance(error, flags.UnrecognizedFlagError) and not given:
        if error.flagname.removeprefix("no").startswith("config."):
            return f"--{error.flagname} needs --config=FILE before it"
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
    if path.is_relative_to(SHIPPED):  # of an installed package
        return False
    return any(path.is_relative_to(folder) for folder in (*_LIBRARIES, _HERE))
