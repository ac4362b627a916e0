"""Whole files or none: what is written goes aside and is renamed."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

Path = str | os.PathLike[str]


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` to `path` in one step, making the folder if it is missing.

    A reader sees the old file or the new one, never a part; a failed write leaves no
    temporary file behind.

    Args:
        path: file to make or replace.
        data: its content.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 to `path` in one step; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def plain(value: Any) -> Any:
    """A nest of mappings and numbers as JSON knows them; NaN becomes None."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
