"""Suggestions for keys of a config that do not exist."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from absl import flags
from ml_collections import config_flags

_OVERRIDE = re.compile(r"^--?(?:no)?config\.([^=]+)")


def nearest(name: str, choices: Sequence[str]) -> str:
    """The most similar of some names, or "" if none is similar."""
    return "".join(difflib.get_close_matches(name, choices, 1))


def unknown(config: str, argv: Sequence[str]) -> str:
    """Describes the first override of a key that a config does not have.

    Args:
        config: value of `--config`.
        argv: the command line.

    Returns:
        One line with the nearest key and the keys of its parent; "" if all keys exist.
    """
    tree = _load(config).to_dict()
    overrides = (match[1] for a in argv if (match := _OVERRIDE.match(a)) is not None)
    for key in overrides:
        if "[" not in key and (text := _describe(key, tree)):
            return text
    return ""


def _describe(key: str, tree: Mapping[str, Any]) -> str:
    """One line on the first part of a dotted key that is missing; "" if none is."""
    node: Any = tree
    parts = key.split(".")
    for depth, part in enumerate(parts):
        parent = ".".join(["config", *parts[:depth]])
        if not isinstance(node, Mapping):
            return f"no config key {key}; {parent} is {node!r}, which has no keys"
        if part not in node:
            near = _suggestion(part, parts[:depth], list(node), tree)
            hint = f"did you mean --config.{near}? " if near else ""
            return f"no config key {key}; {hint}{parent} has {', '.join(sorted(node))}"
        node = node[part]
    return ""


def _suggestion(
    part: str, parents: list[str], siblings: list[str], tree: Mapping[str, Any]
) -> str:
    """A key that may be meant: of the same name elsewhere, or similar; or ""."""
    every = list(_keys(tree))
    same = [key for key in every if key.rpartition(".")[2] == part]
    if same:
        return same[0]
    if near := nearest(part, siblings):
        return ".".join([*parents, near])
    leaves = {key.rpartition(".")[2]: key for key in reversed(every)}
    return leaves.get(nearest(part, list(leaves)), "")


def _keys(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys of all values and sections; the shallow ones of a section first."""
    for name in tree:
        yield prefix + name
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{name}.")


def _load(config: str) -> Any:
    """The config without overrides."""
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=[])
    values(["", f"--config={config}"])
    return values.config
