"""Atomic writes: a file or folder appears complete or not at all."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from unipose_jax import errors

Path = str | os.PathLike[str]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[pathlib.Path]:
    """Yields a temporary path, which is renamed to `path` if nothing fails.

    The body creates a file or a folder at the yielded path. On an error it is removed,
    and `path` is left as it was. Missing parent folders are made.

    Args:
        path: final place of the file or folder. An existing file is replaced in one
            step; an existing folder is not touched.

    Raises:
        errors.BadInput: `path` is an existing folder, or nothing can be written there.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise errors.BadInput(f"{path} is an existing folder; choose a new path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise errors.BadInput(f"cannot write {path}: {error.strerror}") from error
    temporary = pathlib.Path(folder) / path.name
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` to `path` in one step; readers see the old file or the new one.

    Raises:
        errors.BadInput: `path` is a folder, or it cannot be written.
    """
    with replacing(path) as temporary:
        try:
            temporary.write_bytes(data)
        except OSError as error:
            raise errors.BadInput(f"cannot write {path}: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 to `path` in one step; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))
