"""The program: `run.py`, and the command `unipose-jax` of an installation."""

import os
import sys
from collections.abc import Sequence

from unipose_jax import errors
from unipose_jax.cli import help_text

_EXTRAS = "pip install 'unipose_jax[train,data,report]'"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one mode; returns the exit status.

    Args:
        argv: program and arguments; by default those of this process.

    Returns:
        0, or 2 after a mistake of the user, which is one line on stderr.
    """
    argv = list(sys.argv if argv is None else argv)
    try:
        text = help_text.answer(argv)
        if text is None:
            status = _run(argv)
        else:
            status = 0
            print(text)
        sys.stdout.flush()
        return status
    except errors.BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a file in place of a folder, ...
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(argv: Sequence[str]) -> int:
    """Parses the command line and runs its mode.

    Raises:
        errors.BadInput: the user's mistake, or packages that the command needs are not
            installed.
    """
    try:
        from absl import flags

        from unipose_jax.cli import command_line, commands
    except ModuleNotFoundError as error:
        raise errors.BadInput(f"{error.name} is not installed; {_EXTRAS}") from error
    flags.FLAGS.mark_as_parsed()  # libraries such as grain have flags of their own
    parsed = command_line.parse(argv)
    return commands.run(parsed.mode, parsed.config, parsed.options)
