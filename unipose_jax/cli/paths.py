"""Paths among the flags and the settings; only local ones are supported."""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from unipose_jax import errors


def required(options, name: str) -> pathlib.Path:
    """The path of a flag.

    Raises:
        errors.BadInput: the flag is missing, or its value is a URL.
    """
    path = optional(options, name)
    if path is None:
        raise errors.BadInput(f"--{name} is missing; see --help")
    return path


def optional(options, name: str) -> pathlib.Path | None:
    """The path of a flag, None without the flag.

    Raises:
        errors.BadInput: its value is a URL.
    """
    found = several(options, name)
    if len(found) > 1:
        raise errors.BadInput(f"--{name} is given twice; --mode=report takes several")
    return found[0] if found else None


def several(options, name: str) -> list[pathlib.Path]:
    """The paths of a flag that may be repeated.

    Raises:
        errors.BadInput: a value is a URL.
    """
    value = getattr(options, name)
    values = [value] if isinstance(value, str | pathlib.Path) else value or []
    return [_local(name, str(value)) for value in values if value]


def _local(name: str, value: str) -> pathlib.Path:
    _check_local(f"--{name}", value)
    return pathlib.Path(value).expanduser()


def has_recordings(path: pathlib.Path) -> bool:
    """Whether a folder has recordings in it and is none itself."""
    if (path / "camera.json").exists() or not path.is_dir():
        return False
    return any(path.rglob("camera.json"))


def check_config(values: Mapping[str, Any]) -> None:
    """Refuses a config that names a remote file or folder.

    Raises:
        errors.BadInput: names the setting.
    """
    for key, value in _strings(values, "config"):
        _check_local(key, value)


def _strings(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _strings(value, f"{prefix}.{name}")
        elif isinstance(value, str):
            yield f"{prefix}.{name}", value


def _check_local(name: str, value: str) -> None:
    """Refuses a URL: pathlib would take it for a folder `gs:` of this machine."""
    if "://" in value:
        raise errors.BadInput(
            f"{name}={value}: only local paths are supported; mount the bucket as a "
            "folder, for example with gcsfuse, and give the folder"
        )
