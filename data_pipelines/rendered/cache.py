"""Rendered clips and pictures in a cache folder."""

import functools
import hashlib
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from data_pipelines.ground import file_io
from unipose_jax import atomic, skeleton

Arrays = dict[str, np.ndarray]

_PACKAGES = ("geometry", "skeleton", "synthesis")  # of unipose_jax: they render
_MODULES = ("clip_pool.py",)  # beside this one: it finishes the clips


def load_or_make(
    folder: str, name: str, key_parts: Iterable[str], make: Callable[[], Arrays]
) -> Arrays:
    """What `make` returns, or what it returned when it was last made of the same.

    Kept under a name that depends on everything it depends on: settings, and the source
    of what makes it. A file that cannot be read is made again.

    Args:
        folder: where it is kept; "" keeps nothing.
        name: beginning of the file's name.
        key_parts: settings and versions.
        make: makes it.

    Raises:
        errors.BadInput: the folder cannot be written to.
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
    """A stored file; None if there is none or it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, *file_io.DAMAGED_NPZ):
        return None


@functools.cache
def _source_hash() -> str:
    """Digest of the source of all that is kept: it is as old as that code."""
    root, here = pathlib.Path(skeleton.__file__).parents[1], pathlib.Path(__file__)
    sources = [f for name in _PACKAGES for f in sorted((root / name).rglob("*.py"))]
    return file_io.digest([*sources, *(here.with_name(name) for name in _MODULES)])
