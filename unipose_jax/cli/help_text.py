"""The help of the command line, from the table of modes; also a table for the docs."""

import pathlib
import textwrap
from collections.abc import Iterable, Sequence

from unipose_jax.cli import modes

_ASKED = {"--help", "-help", "-h", "-?", "--h", "--helpshort"}
_WIDTH = 79
_INDENT = 12  # columns of the names of modes
_FLAG_WIDTH = 31  # columns of the flags of one mode


def answer(argv: Sequence[str]) -> str | None:
    """The help that a command line asks for, or None.

    Args:
        argv: program and arguments; `--mode=X --help` asks for the help of a mode.
    """
    if not _ASKED & set(argv[1:]):
        return None
    program, mode = _program(argv[0]), _asked_mode(argv)
    return of_mode(mode, program) if mode in modes.TABLE else overview(program)


def overview(program: str = "python run.py") -> str:
    """The modes by group, each with its example: one screen of 80 columns."""
    lines = [f"usage: {program} --mode=MODE --FLAG=VALUE ...", ""]
    for group in dict.fromkeys(mode.group for mode in modes.TABLE.values()):
        lines.append(f"{group}:")
        for name, mode in modes.TABLE.items():
            if mode.group == group:
                lines += [f"  {name:<{_INDENT - 3}} {mode.summary}"]
                lines += [f"{'':{_INDENT}}{mode.example}"]
    lines += ["", f"{program} --mode=MODE --help: the flags of a mode"]
    return "\n".join([*lines, "docs: README.md and docs/usage.md"])


def of_mode(name: str, program: str = "python run.py") -> str:
    """What a mode does, its flags and an example."""
    mode = modes.TABLE[name]
    command = textwrap.wrap(
        f"{program} {mode.example}", _WIDTH - 4, break_on_hyphens=False
    )
    lines = [f"{name}: {mode.summary}", "", "needs:"]
    lines += _flag_lines(mode.needs.items())
    lines += ["", "takes:", *_flag_lines({**mode.takes, **modes.COMMON}.items())]
    lines += ["", "example:", "  " + " \\\n      ".join(command)]
    return "\n".join([*lines, "", f"docs/{mode.page.partition('#')[0]}"])


def markdown() -> str:
    """The table of modes of docs/usage.md."""
    rows = ["| mode | does | needs |", "| --- | --- | --- |"]
    for name, mode in modes.TABLE.items():
        page = mode.page.removeprefix("usage.md")
        needs = ", ".join(f"`--{flag}`" for flag in mode.needs)
        rows.append(f"| [`{name}`]({page}) | {mode.summary} | {needs} |")
    return "\n".join(rows)


def _flag_lines(flags: Iterable[tuple[str, str]]) -> list[str]:
    lines = []
    for name, meaning in flags:
        flag = modes.FLAGS[name]
        shown = f"--{name}" + (f"={flag.value}" if flag.value else "")
        if flag.kind == "bool" and flag.default is not False:
            shown = f"--[no]{name}"
        elif flag.default not in (None, "", False) and name != "compile_cache":
            meaning = f"{meaning} (default {flag.default})"
        first = f"  {shown:<{_FLAG_WIDTH - 2}}"
        if len(first) > _FLAG_WIDTH:
            lines.append(first.rstrip())
            first = " " * _FLAG_WIDTH
        else:
            first = f"{first:<{_FLAG_WIDTH}}"
        lines += textwrap.wrap(
            meaning,
            _WIDTH,
            initial_indent=first,
            subsequent_indent=" " * _FLAG_WIDTH,
            break_on_hyphens=False,
        )
    return lines


def _asked_mode(argv: Sequence[str]) -> str:
    """The value of `--mode`, or "" without one."""
    for index, argument in enumerate(argv):
        name, has_value, value = argument.partition("=")
        if name in ("--mode", "-mode"):
            return value if has_value else "".join(argv[index + 1 : index + 2])
    return ""


def _program(path: str) -> str:
    """How the program is called: `python run.py` or the console command."""
    name = pathlib.PurePath(path).name
    return f"python {name}" if name.endswith(".py") else name
