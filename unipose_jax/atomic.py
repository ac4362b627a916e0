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
    """Yields a temporary path, which is renamed to `path` on success.

    The body of the `with` statement creates a file or folder at the yielded path. On an
    error it is removed, and `path` does not change. Missing parent folders are created.

    Args:
        path: final path of the file or folder. An existing file is replaced atomically;
            an existing folder is an error.

    Raises:
        errors.BadInput: `path` is an existing folder or cannot be written.
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
    """Writes `data` to `path` atomically: readers see the old file or the new one.

    Raises:
        errors.BadInput: `path` is a folder or cannot be written.
    """
    with replacing(path) as temporary:
        try:
            temporary.write_bytes(data)
        except OSError as error:
            raise errors.BadInput(f"cannot write {path}: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 to `path` atomically; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))
