"""Parses the command line: mode, config and flags, with every mistake in one line."""

import difflib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from absl import flags
from ml_collections import config_flags

from unipose_jax import errors
from unipose_jax.cli import config_files, modes


class Parsed(NamedTuple):
    """A command line."""

    mode: str
    config: Any  # ml_collections.ConfigDict, or None
    options: flags.FlagValues  # one attribute per flag


def parse(argv: Sequence[str]) -> Parsed:
    """Parses a command line.

    Args:
        argv: program and arguments.

    Raises:
        errors.BadInput: a flag, a config or a key of it is wrong, or the mode does not
            use a flag.
    """
    argv = config_files.resolve(argv)
    values = define(argv)
    try:
        rest = values(argv)
        config = values.config
        if config is not None:
            config.items()  # a config that failed to load fails when used
    except Exception as error:
        raise errors.BadInput(config_files.describe(error, argv)) from error
    if len(rest) > 1:
        raise errors.BadInput(_unexpected(rest[1]))
    _check_used(values)
    return Parsed(values.mode, config, values)


def define(argv: Sequence[str]) -> flags.FlagValues:
    """Defines the flags of all modes, not yet parsed.

    Args:
        argv: names the overrides of the config, each of which is a flag.
    """
    values = flags.FlagValues()
    flags.DEFINE_enum("mode", "train", list(modes.TABLE), "", flag_values=values)
    config_flags.DEFINE_config_file(
        "config", None, "", flag_values=values, sys_argv=list(argv)
    )
    makers: dict[str, Callable[..., Any]] = {
        "string": flags.DEFINE_string,
        "float": flags.DEFINE_float,
        "integer": flags.DEFINE_integer,
        "bool": flags.DEFINE_bool,
        "list": flags.DEFINE_multi_string,
    }
    for name, flag in modes.FLAGS.items():
        if name == "config":
            continue
        if flag.kind == "enum":
            choices = list(flag.choices)
            flags.DEFINE_enum(name, flag.default, choices, "", flag_values=values)
        else:
            makers[flag.kind](name, flag.default, "", flag_values=values)
    return values


def _unexpected(argument: str) -> str:
    """The line for an argument that is no flag."""
    line = f"unexpected argument {argument!r}"
    if near := difflib.get_close_matches(argument, modes.TABLE, 1):
        return f"{line}; did you mean --mode={near[0]}?"
    return f"{line}; see --help"


def _check_used(values: flags.FlagValues) -> None:
    """Refuses flags that the mode does not use.

    Raises:
        errors.BadInput: names the flag, and the modes that use it.
    """
    used = modes.TABLE[values.mode].flags
    for name in modes.FLAGS:
        if values[name].present and name not in used:
            users = [mode for mode, row in modes.TABLE.items() if name in row.flags]
            raise errors.BadInput(
                f"--mode={values.mode} does not use --{name}, which is for "
                f"{', '.join(users)}; see --mode={values.mode} --help"
            )
