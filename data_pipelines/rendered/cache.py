"""Disk cache of rendered clips and images."""

import functools
import hashlib
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from data_pipelines.ground import file_io
from unipose_jax import atomic, skeleton

Arrays = dict[str, np.ndarray]

_PACKAGES = (
    "geometry",
    "skeleton",
    "synthesis",
)  # packages of unipose_jax that the result depends on
_MODULES = ("clip_pool.py",)  # modules of this package that the result depends on


def load_or_make(
    folder: str, name: str, key_parts: Iterable[str], make: Callable[[], Arrays]
) -> Arrays:
    """Returns the cached result of `make`, or calls it and stores the result.

    The file name includes a hash of the settings and of the source code that makes the
    result. An unreadable file is made again.

    Args:
        folder: cache folder; "" disables the cache.
        name: prefix of the file name.
        key_parts: settings and versions that the result depends on.
        make: function that makes the result.

    Raises:
        errors.BadInput: the folder cannot be written.
    """
    if not folder:
        return make()
    parts = "\n".join([_source_hash(), *key_parts])
    digest = hashlib.sha256(parts.encode()).hexdigest()[:16]
    path = pathlib.Path(folder).expanduser() / f"{name}-{digest}.npz"
    found = _read_npz(path)
    if found is None:
        with atomic.replacing(path) as aside, aside.open("wb") as file:
            found = make()
            np.savez(file, **dict[str, Any](found))
    return found


def _read_npz(path: pathlib.Path) -> Arrays | None:
    """Reads a cached file; None if it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, *file_io.DAMAGED_NPZ):
        return None


@functools.cache
def _source_hash() -> str:
    """Hash of the source code that makes cached results."""
    root, here = pathlib.Path(skeleton.__file__).parents[1], pathlib.Path(__file__)
    sources = [f for name in _PACKAGES for f in sorted((root / name).rglob("*.py"))]
    return file_io.digest([*sources, *(here.with_name(name) for name in _MODULES)])
