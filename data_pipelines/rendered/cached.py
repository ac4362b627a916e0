"""Rendered clips and pictures in a cache folder."""

import functools
import hashlib
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from data_pipelines.ground import files
from unipose_jax import skeleton

Arrays = dict[str, np.ndarray]

_PACKAGES = ("geometry", "skeleton", "synthesis")  # of unipose_jax: they render
_MODULES = ("synthetic.py",)  # beside this one: it finishes the clips


def arrays(
    folder: str, name: str, made_of: Iterable[str], make: Callable[[], Arrays]
) -> Arrays:
    """What `make` returns, or what it returned when it was last made of the same.

    Kept under a name that depends on everything it depends on: settings, and the source
    of what makes it. A file that cannot be read is made again.

    Args:
        folder: where it is kept; "" keeps nothing.
        name: beginning of the file's name.
        made_of: settings and versions.
        make: makes it.

    Raises:
        errors.BadInput: the folder cannot be written to.
    """
    if not folder:
        return make()
    parts = "\n".join([_source_hash(), *made_of])
    digest = hashlib.sha256(parts.encode()).hexdigest()[:16]
    path = pathlib.Path(folder).expanduser() / f"{name}-{digest}.npz"
    found = _read(path)
    if found is None:
        with files.replacing(path) as aside, aside.open("wb") as file:
            found = make()
            np.savez(file, **dict[str, Any](found))
    return found


def _read(path: pathlib.Path) -> Arrays | None:
    """A stored file; None if there is none or it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, *files.DAMAGED_NPZ):
        return None


@functools.cache
def _source_hash() -> str:
    """Digest of the source of all that is kept: it is as old as that code."""
    root, here = pathlib.Path(skeleton.__file__).parents[1], pathlib.Path(__file__)
    sources = [f for name in _PACKAGES for f in sorted((root / name).rglob("*.py"))]
    return files.digest([*sources, *(here.with_name(name) for name in _MODULES)])
